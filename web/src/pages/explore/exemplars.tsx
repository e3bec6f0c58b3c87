import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { ExemplarSeries } from "../../api/prometheus";
import type { Place } from "../../components/charts/place";
import { inUnit } from "../../lib/format";
import { clock } from "../../lib/time";
import { usePreferences } from "../../state/preferences";
import classes from "./explore.module.css";

export interface Exemplar {
  timeMs: number;
  value: number;
  traceId: string;
  spanId: string;
}

const TRACE_LABELS = ["trace_id", "traceID", "traceId", "TraceID"];
const SPAN_LABELS = ["span_id", "spanID", "spanId"];
const COLUMNS = 60;
const MOST_IN_COLUMN = 3;

/** Exemplars that name a trace, the largest of each part of the range: more could not be pressed. */
export function exemplarsOf(answers: readonly (ExemplarSeries[] | undefined)[], fromMs: number, toMs: number): Exemplar[] {
  const columns = new Map<number, Exemplar[]>();
  for (const series of answers.flatMap((answer) => answer ?? [])) {
    for (const { labels, value, timestamp } of series.exemplars) {
      const traceId = first(labels, TRACE_LABELS);
      if (traceId === "") continue;
      const timeMs = timestamp * 1000;
      const column = Math.floor(((timeMs - fromMs) / (toMs - fromMs)) * COLUMNS);
      const found = columns.get(column) ?? [];
      if (found.some((other) => other.traceId === traceId)) continue;
      found.push({ timeMs, value: Number(value), traceId, spanId: first(labels, SPAN_LABELS) });
      found.sort((a, b) => b.value - a.value);
      columns.set(column, found.slice(0, MOST_IN_COLUMN));
    }
  }
  return [...columns.values()].flat();
}

function first(labels: Record<string, string>, names: readonly string[]): string {
  return names.map((name) => labels[name]).find((value) => value !== undefined && value !== "") ?? "";
}

/** Exemplars as points that lead to their traces. */
export function ExemplarDots(props: {
  exemplars: readonly Exemplar[];
  place: Place;
  unit: "seconds" | "bytes" | "";
  /** Whether the chart's values are of the exemplars' kind; otherwise they stand at its foot. */
  byValue: boolean;
}): ReactNode {
  const { exemplars, place, unit, byValue } = props;
  const { zone } = usePreferences();
  return (
    <ul className={classes["dots"]} aria-label="Exemplars">
      {exemplars.map(({ timeMs, value, traceId, spanId }) => {
        const at = place(timeMs, byValue ? value : 0);
        if (at === null) return null;
        const label = `Trace of ${inUnit(value, unit)} at ${clock(timeMs, zone)}`;
        return (
          <li key={`${traceId} ${timeMs}`} style={{ left: at.x, top: at.y }}>
            <Link
              to="/traces/$traceId"
              params={{ traceId }}
              search={spanId === "" ? {} : { span: spanId }}
              preload={false}
              aria-label={label}
              title={label}
            />
          </li>
        );
      })}
    </ul>
  );
}
