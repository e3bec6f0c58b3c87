import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { iso, isRelative, parseTime, spanLabel } from "../lib/time";
import { DEFAULT_FROM, DEFAULT_TO, type Moments, OPENED_MS, rangeAt } from "./range";
import type { GlobalSearch } from "./search";

export interface TimeRange {
  /** As the address has it, or the default. */
  from: string;
  to: string;
  fromMs: number;
  toMs: number;
  query: Moments;
  /** Whether the end moves with the clock. */
  live: boolean;
  label: string;
  set: (from: string, to: string) => void;
  /** Narrow the range to a part of it; `useFormerRange` undoes that. */
  zoom: (fromMs: number, toMs: number) => void;
  zoomOut: () => void;
  refresh: () => void;
  /** Seconds between refreshes; 0 is none. */
  refreshSeconds: number;
  setRefresh: (seconds: number) => void;
  /** How far back the range is that charts compare with, in milliseconds; null for no comparison. */
  compareMs: number | null;
}

const Context = createContext<TimeRange | null>(null);
/** By itself, as only a button and a key ask for it: that there is one more range to go back to draws no page anew. */
const Former = createContext<(() => void) | null>(null);

export function TimeRangeProvider({ children }: { children: ReactNode }): ReactNode {
  const search = useSearch({ strict: false }) as GlobalSearch;
  const navigate = useNavigate();
  const [now, setNow] = useState(OPENED_MS);
  const [former, setFormer] = useState<{ from: string; to: string }[]>([]);
  const from = search.from ?? DEFAULT_FROM;
  const to = search.to ?? DEFAULT_TO;
  const refreshSeconds = search.refresh ?? 0;

  const go = useCallback(
    (changed: GlobalSearch) => {
      void navigate({ to: ".", search: (before: object) => ({ ...before, ...changed }) } as never);
    },
    [navigate],
  );
  const queries = useQueryClient();
  const moves = isRelative(from) || isRelative(to);
  const refresh = useCallback(() => {
    // What does not depend on the range, such as the state of rules, has an answer that ages.
    if (moves) {
      setNow(Date.now());
      void queries.refetchQueries({ type: "active", stale: true });
    }
    // The range stays, but what came late into it is new.
    else void queries.invalidateQueries({ refetchType: "active" });
  }, [moves, queries]);

  useEffect(() => {
    if (refreshSeconds <= 0) return;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") refresh();
    }, refreshSeconds * 1_000);
    return () => clearInterval(timer);
  }, [refreshSeconds, refresh]);

  const move = useCallback(
    (nextFrom: string, nextTo: string): void => {
      go({
        from: nextFrom === DEFAULT_FROM && nextTo === DEFAULT_TO ? undefined : nextFrom,
        to: nextTo === DEFAULT_TO ? undefined : nextTo,
      });
    },
    [go],
  );
  const back = useMemo(() => {
    const last = former.at(-1);
    if (last === undefined) return null;
    return () => {
      setFormer((stack) => stack.slice(0, -1));
      move(last.from, last.to);
    };
  }, [former, move]);

  const value = useMemo<TimeRange>(() => {
    const { from: fromIso, to: toIso, fromMs, toMs } = rangeAt({ from, to }, now);
    const live = isRelative(to) && Math.abs(toMs - now) < 1_000;
    const compare = search.compare === undefined ? null : parseTime(`now-${search.compare}`, 0);
    return {
      from,
      to,
      fromMs,
      toMs,
      query: { from: fromIso, to: toIso },
      live,
      label: live && from.startsWith("now-") && !from.includes("/") ? `Last ${from.slice(4)}` : spanLabel(toMs - fromMs),
      set: (nextFrom, nextTo) => {
        setFormer([]);
        setNow(Date.now());
        move(nextFrom, nextTo);
      },
      zoom: (zoomFrom, zoomTo) => {
        setFormer((stack) => [...stack.slice(-19), { from, to }]);
        const width = Math.max(1, zoomTo - zoomFrom);
        move(iso(Math.floor(zoomFrom)), iso(Math.ceil(zoomFrom + width)));
      },
      zoomOut: () => {
        setFormer((stack) => [...stack.slice(-19), { from, to }]);
        const half = (toMs - fromMs) / 2;
        move(iso(fromMs - half), iso(Math.min(toMs + half, Math.max(now, toMs))));
      },
      refresh,
      refreshSeconds,
      setRefresh: (seconds) => go({ refresh: seconds > 0 ? seconds : undefined }),
      compareMs: compare === null ? null : -compare,
    };
  }, [from, to, now, move, go, refresh, refreshSeconds, search.compare]);

  return (
    <Context.Provider value={value}>
      <Former.Provider value={back}>{children}</Former.Provider>
    </Context.Provider>
  );
}

/** The time range of the page. */
export function useTimeRange(): TimeRange {
  const value = useContext(Context);
  if (value === null) throw new Error("useTimeRange is used outside of TimeRangeProvider");
  return value;
}

/** Goes back to the range before the last narrowing or widening; null where there is none. */
export function useFormerRange(): (() => void) | null {
  return useContext(Former);
}
