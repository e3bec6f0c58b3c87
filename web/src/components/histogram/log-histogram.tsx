import { type ReactNode, useMemo } from "react";
import type { Schemas } from "../../api/client";
import { count } from "../../lib/format";
import { type ChartSeries, TimeChart } from "../charts/time-chart";

export const SEVERITIES = ["fatal", "error", "warn", "info", "debug", "trace", "unset"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** The colour that a severity has everywhere. */
export const SEVERITY_COLORS: Record<Severity, string> = {
  fatal: "#a8327d",
  error: "--v-error",
  warn: "--v-warn",
  info: "--v-chart-1",
  debug: "--v-chart-2",
  trace: "--v-chart-2",
  unset: "--v-line-strong",
};

/** Lines over time by severity; dragging selects a part of the range. */
export function LogHistogram(props: {
  histogram: Schemas["LogHistogram"];
  fromMs: number;
  toMs: number;
  onZoom: (fromMs: number, toMs: number) => void;
  /** The same over the range that is compared with. */
  former?: Schemas["LogHistogram"] | undefined;
}): ReactNode {
  const { histogram, fromMs, toMs, onZoom, former } = props;
  const { times, series } = useMemo(() => shape(histogram, former), [histogram, former]);
  return (
    <TimeChart
      label={`Lines over time by severity, ${count(histogram.total)} in all`}
      times={times}
      series={series}
      stacked
      height={96}
      format={count}
      fromMs={fromMs}
      toMs={toMs}
      onZoom={onZoom}
    />
  );
}

function shape(histogram: Schemas["LogHistogram"], former: Schemas["LogHistogram"] | undefined): { times: number[]; series: ChartSeries[] } {
  const times = histogram.buckets.map(({ time }) => Date.parse(time));
  const present = SEVERITIES.filter((severity) => histogram.buckets.some(({ counts }) => (counts[severity] ?? 0) > 0));
  const series = present.map((severity): ChartSeries => ({
    label: severity,
    color: SEVERITY_COLORS[severity],
    kind: "bars",
    values: histogram.buckets.map(({ counts }) => counts[severity] ?? 0),
  }));
  if (former) {
    // The buckets of both ranges have the same number and width.
    series.push({
      label: "all before",
      color: "--mantine-color-dimmed",
      dash: true,
      alone: true,
      values: histogram.buckets.map((_, index) => sum(former.buckets[index]?.counts)),
    });
  }
  return { times, series };
}

function sum(counts: Record<string, number> | undefined): number | null {
  return counts === undefined ? null : Object.values(counts).reduce((all, some) => all + some, 0);
}
