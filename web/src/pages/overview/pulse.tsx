import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { type ChartSeries, TimeChart } from "../../components/charts/time-chart";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { useScheme } from "../../components/view/service-name";
import { serviceColor } from "../../lib/color";
import { count, durationMs, rate, rates } from "../../lib/format";
import { iso } from "../../lib/time";
import { useTimeRange } from "../../state/time-range";
import { trendsAsk } from "./asks";
import classes from "./overview.module.css";

const SHOWN = 6;

type Trend = Schemas["ServiceTrend"];

/** Requests, errors and durations of the busiest services over time. */
export function Pulse(): ReactNode {
  const range = useTimeRange();
  const scheme = useScheme();
  const trends = useGet(...trendsAsk(range.query));
  const shift = range.compareMs ?? 0;
  const before = useGet(...trendsAsk({ from: iso(range.fromMs - shift), to: iso(range.toMs - shift) }), { enabled: shift > 0 });
  return (
    <div className={classes["pulse"]}>
      <QueryView query={trends}>
        {(data) => {
          const start = Date.parse(data.from);
          const step = data.step_seconds * 1000;
          const points = data.services[0]?.request_counts.length ?? 0;
          const times = Array.from({ length: points }, (_, index) => start + index * step);
          const busiest = data.services
            .map((trend) => ({ trend, requests: trend.request_counts.reduce((sum, n) => sum + n, 0) }))
            .toSorted((a, b) => b.requests - a.requests)
            .slice(0, SHOWN);
          const lines = (of: (trend: Trend) => (number | null)[]): ChartSeries[] =>
            busiest.flatMap(({ trend }) => {
              const { service } = trend;
              const former = shift > 0 ? before.data?.services.find((one) => one.service === service) : undefined;
              const color = serviceColor(service, scheme);
              return [
                { label: service, color, values: of(trend) },
                // The steps of both ranges have the same number and width.
                ...(former ? [{ label: `${service} before`, color, dash: true, values: of(former) }] : []),
              ];
            });
          return (
            <>
              <Chart title="Requests" times={times} format={rate} onZoom={range.zoom} series={lines((trend) => rates(trend.request_counts, start, data.step_seconds, range.toMs))} />
              <Chart title="Errors" times={times} format={count} onZoom={range.zoom} series={lines((trend) => trend.error_counts)} />
              <Chart title="p95" times={times} format={durationMs} onZoom={range.zoom} series={lines((trend) => trend.p95_ms)} />
            </>
          );
        }}
      </QueryView>
    </div>
  );
}

function Chart(props: {
  title: string;
  times: number[];
  series: ChartSeries[];
  format: (value: number) => string;
  onZoom: (fromMs: number, toMs: number) => void;
}): ReactNode {
  const { title, times, series, format, onZoom } = props;
  return (
    <Panel title={title} flush>
      <TimeChart times={times} series={series} format={format} height={130} onZoom={onZoom} label={`${title} by service`} />
    </Panel>
  );
}
