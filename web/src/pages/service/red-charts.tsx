import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { type ChartSeries, TimeChart } from "../../components/charts/time-chart";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { durationMs, rate, rates, share } from "../../lib/format";
import { iso } from "../../lib/time";
import { useTimeRange } from "../../state/time-range";
import { redAsk } from "./asks";
import classes from "./service.module.css";

type Point = Schemas["RedPoint"];
/** A point with the rate that is drawn of it. */
type Shown = Point & { shown: number | null };

/** Rate, errors and durations over time, with the range before if one is compared. */
export function RedCharts({ service, operation }: { service: string; operation: string | undefined }): ReactNode {
  const range = useTimeRange();
  const red = useGet(...redAsk(service, operation, range.query));
  const shift = range.compareMs ?? 0;
  const former = { from: iso(range.fromMs - shift), to: iso(range.toMs - shift) };
  const before = useGet(...redAsk(service, operation, former), { enabled: shift > 0 });
  return (
    <div className={classes["charts"]}>
      <QueryView query={red}>
        {(data) => {
          const former = shift > 0 ? before.data?.points : undefined;
          const start = Date.parse(data.from);
          const perSecond = rates(data.points.map((point) => point.request_count), start, data.step_seconds, range.toMs);
          const points = data.points.map((point, index) => ({ ...point, shown: perSecond[index] ?? null }));
          return (
            <>
              <Chart title="Requests" points={points} former={former} format={rate} lines={REQUESTS} label="Requests per second" />
              <Chart title="Errors" points={points} former={former} format={share} lines={ERRORS} label="Share of errors" />
              <Chart title="Durations" points={points} former={former} format={durationMs} lines={DURATIONS} label="Percentiles of the durations" />
            </>
          );
        }}
      </QueryView>
    </div>
  );
}

interface Line {
  label: string;
  color: string;
  of: (point: Shown) => number | null;
}

const REQUESTS: Line[] = [{ label: "requests", color: "--v-chart-1", of: (point) => point.shown }];
const ERRORS: Line[] = [{ label: "errors", color: "--v-error", of: (point) => point.error_rate }];
const DURATIONS: Line[] = [
  { label: "p99", color: "--v-chart-3", of: (point) => point.p99_ms },
  { label: "p95", color: "--v-chart-1", of: (point) => point.p95_ms },
  { label: "p50", color: "--v-chart-2", of: (point) => point.p50_ms },
];

function Chart(props: {
  title: string;
  points: Shown[];
  former: Point[] | undefined;
  format: (value: number) => string;
  lines: Line[];
  label: string;
}): ReactNode {
  const { title, points, former, format, lines, label } = props;
  const range = useTimeRange();
  const series: ChartSeries[] = lines.map((line) => ({
    label: line.label,
    color: line.color,
    values: points.map(line.of),
    kind: lines.length === 1 ? "area" : "line",
  }));
  if (former) {
    // The steps of both ranges have the same number and width: point i lies one shift before point i.
    const line = lines[Math.min(1, lines.length - 1)] as Line;
    series.push({
      label: `${line.label} before`,
      color: "--v-chart-2",
      dash: true,
      values: points.map((_, index) => {
        const point = former[index];
        return point ? line.of({ ...point, shown: point.rate }) : null;
      }),
    });
  }
  return (
    <Panel title={title} flush>
      <TimeChart times={points.map((point) => Date.parse(point.time))} series={series} format={format} onZoom={range.zoom} label={label} />
    </Panel>
  );
}
