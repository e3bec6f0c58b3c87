import { useQueries, type UseQueryResult } from "@tanstack/react-query";
import type { ApiProblem } from "../../api/client";
import { type ExemplarSeries, prometheusQuery, type PrometheusAnswer, type RangeData } from "../../api/prometheus";
import { type Scheme, lineColor } from "../../lib/color";
import { commonLabels, seriesText } from "../../lib/promql";
import { useTenant } from "../../state/tenant";

/** One of the page's expressions. */
export interface Asked {
  letter: string;
  expression: string;
}

/** The moments that all queries are evaluated at: multiples of the step, so that a refresh keeps the points. */
export interface Grid {
  startMs: number;
  endMs: number;
  stepSeconds: number;
  times: number[];
}

export interface Line {
  /** What it is called in the legend and in the address. */
  name: string;
  /** All of its labels. */
  full: string;
  letter: string;
  values: (number | null)[];
  color: string;
  /** Whether it is the range before, which is compared with. */
  before: boolean;
}

export const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400] as const;
const POINTS = 240;
/** The server's own limit. */
const MOST_POINTS = 11_000;
/** More lines than this tell nothing apart. */
export const MOST_LINES = 200;
const MOST_SERIES = 1_000;

export function letterOf(index: number): string {
  return String.fromCodePoint(65 + (index % 26));
}

export function gridFor(range: { fromMs: number; toMs: number }, wanted: string | undefined): Grid {
  const seconds = (range.toMs - range.fromMs) / 1000;
  const fitting = STEPS.find((step) => step >= seconds / POINTS) ?? Math.ceil(seconds / POINTS / 86_400) * 86_400;
  const stepSeconds = Math.max(Number(wanted ?? fitting), seconds / MOST_POINTS);
  const step = stepSeconds * 1000;
  const startMs = Math.ceil(range.fromMs / step) * step;
  const endMs = Math.max(startMs, Math.floor(range.toMs / step) * step);
  const times = Array.from({ length: Math.round((endMs - startMs) / step) + 1 }, (_, index) => startMs + index * step);
  return { startMs, endMs, stepSeconds, times };
}

type RangeResult = UseQueryResult<PrometheusAnswer<RangeData>, ApiProblem>;

/** Every query over the range; `shiftMs` asks for the time so much before. */
export function useRanges(asked: readonly Asked[], grid: Grid, shiftMs: number, enabled: boolean): RangeResult[] {
  const tenant = useTenant();
  return useQueries({
    queries: asked.map(({ expression }) => ({
      ...prometheusQuery(
        "query_range",
        {
          query: expression,
          start: (grid.startMs - shiftMs) / 1000,
          end: (grid.endMs - shiftMs) / 1000,
          step: grid.stepSeconds,
          limit: MOST_SERIES,
        },
        tenant,
      ),
      enabled,
    })),
  });
}

export function useExemplars(
  asked: readonly Asked[],
  range: { fromMs: number; toMs: number },
  enabled: boolean,
): UseQueryResult<PrometheusAnswer<ExemplarSeries[]>, ApiProblem>[] {
  const tenant = useTenant();
  return useQueries({
    queries: asked.map(({ expression }) => ({
      ...prometheusQuery(
        "query_exemplars",
        { query: expression, start: range.fromMs / 1000, end: range.toMs / 1000 },
        tenant,
      ),
      enabled,
    })),
  });
}

/** The lines of all answers; native histograms have none. */
export function linesOf(
  asked: readonly Asked[],
  answers: readonly (RangeData | undefined)[],
  grid: Grid,
  scheme: Scheme,
  shiftMs = 0,
): Line[] {
  const lines: Line[] = [];
  asked.forEach(({ letter, expression }, query) => {
    const series = (answers[query]?.result ?? []).filter(({ values }) => values !== undefined);
    const common = commonLabels(series.map(({ metric }) => metric));
    for (const { metric, values } of series) {
      const own = seriesText(metric, common);
      const full = seriesText(metric);
      const name = series.length === 1 ? (full === "{}" ? expression : full) : own;
      lines.push({
        name: `${asked.length > 1 ? `${letter} ` : ""}${name}`,
        full: full === "{}" ? expression : full,
        letter,
        values: onGrid(values ?? [], grid, shiftMs),
        color: lineColor(lines.length, scheme),
        before: shiftMs > 0,
      });
    }
  });
  return lines;
}

function onGrid(values: readonly [number, string][], grid: Grid, shiftMs: number): (number | null)[] {
  const placed: (number | null)[] = Array.from({ length: grid.times.length }, () => null);
  for (const [seconds, text] of values) {
    const index = Math.round((seconds * 1000 + shiftMs - grid.startMs) / 1000 / grid.stepSeconds);
    const value = Number(text === "+Inf" ? Number.NaN : text);
    if (index >= 0 && index < placed.length && Number.isFinite(value)) placed[index] = value;
  }
  return placed;
}

export interface Statistics {
  last: number | null;
  min: number | null;
  max: number | null;
  mean: number | null;
}

export function statisticsOf(values: readonly (number | null)[]): Statistics {
  const known = values.filter((value): value is number => value !== null);
  if (known.length === 0) return { last: null, min: null, max: null, mean: null };
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (const value of known) {
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
  }
  return { last: known.at(-1) ?? null, min, max, mean: sum / known.length };
}
