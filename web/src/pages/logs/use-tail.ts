import { useEffect, useRef, useState } from "react";
import { ApiProblem, apiFetch } from "../../api/client";
import { useTenant } from "../../state/tenant";
import type { Line } from "./line";

/** How many lines of the tail are kept: what is older is found by a search. */
export const TAIL_LINES = 10_000;
const RATE_SECONDS = 10;
const RETRY_MS = 2_000;
const SHOW_MS = 250;

export interface Tail {
  /** Newest first. */
  lines: Line[];
  /** Lines that came in while it was paused. */
  waiting: number;
  /** Lines that the server left out of a flood. */
  skipped: number;
  perSecond: number;
  connected: boolean;
  problem: Error | null;
  clear: () => void;
}

const NOTHING = { lines: [] as Line[], waiting: 0, skipped: 0, perSecond: 0, problem: null as Error | null };

/** Lines as they come in, over server-sent events; after a break it goes on where it was. */
export function useTail(q: string, on: boolean, paused: boolean): Tail {
  const tenant = useTenant();
  const question = `${tenant ?? ""} ${q}`;
  // What was shown belongs to one question; under another one it counts as nothing.
  const [state, setState] = useState({ question, ...NOTHING });
  const [connected, setConnected] = useState(false);
  const held = useRef(paused);
  const buffer = useRef<Line[]>([]);
  const skipped = useRef(0);

  useEffect(() => {
    held.current = paused;
  }, [paused]);

  useEffect(() => {
    if (!on) return;
    const stop = new AbortController();
    const arrivals: [number, number][] = [];
    buffer.current = [];
    skipped.current = 0;
    const setShown = (next: (before: typeof NOTHING) => typeof NOTHING): void =>
      setState((before) => ({ question, ...next(before.question === question ? before : NOTHING) }));
    const receive = (event: string, data: string): void => {
      if (event === "skipped") skipped.current += Number((JSON.parse(data) as { lines: number }).lines);
      else if (event === "message") buffer.current.push(JSON.parse(data) as Line);
    };
    // Lines are put on the page a few times a second, however many come in.
    const timer = setInterval(() => {
      const now = performance.now();
      const fresh = buffer.current.length;
      const seen = arrivals.reduce((sum, [, n]) => sum + n, 0);
      while (arrivals.length > 0 && (arrivals[0]?.[0] ?? now) < now - RATE_SECONDS * 1_000) arrivals.shift();
      if (held.current) {
        if (fresh > TAIL_LINES) buffer.current.splice(0, fresh - TAIL_LINES);
        setShown((before) => (before.waiting === buffer.current.length ? before : { ...before, waiting: buffer.current.length }));
        return;
      }
      if (fresh > 0) arrivals.push([now, fresh]);
      if (fresh === 0 && seen === 0) return;
      const added = buffer.current.toReversed();
      buffer.current = [];
      const perSecond = arrivals.reduce((sum, [, n]) => sum + n, 0) / RATE_SECONDS;
      setShown((before) => ({
        ...before,
        lines: added.length === 0 ? before.lines : [...added, ...before.lines].slice(0, TAIL_LINES),
        waiting: 0,
        skipped: skipped.current,
        perSecond,
      }));
    }, SHOW_MS);
    void follow(q, tenant, stop.signal, receive, setConnected, (problem) => setShown((before) => ({ ...before, problem })));
    return () => {
      stop.abort();
      clearInterval(timer);
      setConnected(false);
    };
  }, [q, on, tenant, question]);

  const clear = (): void => {
    buffer.current = [];
    setState((before) => ({ ...before, lines: [], waiting: 0 }));
  };
  return { ...(state.question === question ? state : NOTHING), connected, clear };
}

async function follow(
  q: string,
  tenant: string | undefined,
  signal: AbortSignal,
  receive: (event: string, data: string) => void,
  connected: (is: boolean) => void,
  failed: (problem: Error | null) => void,
): Promise<void> {
  let last: string | null = null;
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = last === null ? {} : { "Last-Event-ID": last };
      const response = await apiFetch(`/api/v1/logs/tail?${new URLSearchParams({ q }).toString()}`, tenant, { signal, headers });
      connected(true);
      failed(null);
      await readEvents(response, (event, data, id) => {
        if (id !== null) last = id;
        if (data !== "") receive(event, data);
      });
    } catch (error) {
      if (signal.aborted) return;
      failed(error instanceof Error ? error : new Error(String(error)));
      // What the server says of the query will not change by asking again.
      if (error instanceof ApiProblem && error.status >= 400 && error.status < 500 && error.status !== 429) return;
    }
    connected(false);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function readEvents(
  response: Response,
  receive: (event: string, data: string, id: string | null) => void,
): Promise<void> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) return;
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    let end = text.indexOf("\n\n");
    while (end >= 0) {
      dispatch(text.slice(0, end), receive);
      text = text.slice(end + 2);
      end = text.indexOf("\n\n");
    }
  }
}

function dispatch(block: string, receive: (event: string, data: string, id: string | null) => void): void {
  let event = "message";
  let id: string | null = null;
  const data: string[] = [];
  for (const row of block.split("\n")) {
    const colon = row.indexOf(":");
    const name = colon < 0 ? row : row.slice(0, colon);
    const value = colon < 0 ? "" : row.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event = value;
    else if (name === "id") id = value;
    else if (name === "data") data.push(value);
  }
  receive(event, data.join("\n"), id);
}
