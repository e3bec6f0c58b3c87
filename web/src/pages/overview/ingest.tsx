import type { ReactNode } from "react";
import { useGet } from "../../api/use-get";
import { type ChartSeries, TimeChart } from "../../components/charts/time-chart";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { bytes, count, exactCount } from "../../lib/format";
import { useTimeRange } from "../../state/time-range";
import { dayOf, ingestAsks } from "./asks";
import classes from "./overview.module.css";

const HOUR = 3_600_000;
const COLORS: Record<string, string> = { traces: "--v-chart-1", logs: "--v-chart-3", metrics: "--v-chart-2" };

/** What was kept and what was not, over the day that ends with the range. */
export function Ingest(): ReactNode {
  const range = useTimeRange();
  const whole = { ...range.query, fromMs: range.fromMs, toMs: range.toMs };
  const asks = ingestAsks(whole);
  const usage = useGet(...asks.usage);
  const ledger = useGet(...asks.ledger);
  return (
    <div className={classes["ingest"]}>
      <Panel title="Kept, rows an hour" flush>
        <QueryView query={usage}>
          {({ usage: hours }) => {
            const first = Math.floor(Date.parse(dayOf(whole).from) / HOUR) * HOUR;
            const times = Array.from({ length: Math.ceil((range.toMs - first) / HOUR) }, (_, index) => first + index * HOUR);
            const signals = [...new Set(hours.map(({ signal }) => signal))].toSorted();
            const series: ChartSeries[] = signals.map((signal) => {
              const own = new Map(hours.filter((hour) => hour.signal === signal).map((hour) => [Date.parse(hour.hour), hour.rows]));
              const size = hours.filter((hour) => hour.signal === signal).reduce((sum, hour) => sum + hour.bytes, 0);
              return {
                label: `${signal} (${bytes(size)})`,
                color: COLORS[signal] ?? "--v-chart-2",
                kind: "bars",
                values: times.map((time) => own.get(time) ?? 0),
              };
            });
            return <TimeChart times={times} series={series} format={count} stacked height={120} label="Rows kept by hour and signal" />;
          }}
        </QueryView>
      </Panel>
      <Panel title="Not kept" side="the ledger" flush>
        <QueryView query={ledger}>
          {({ totals }) =>
            totals.length === 0 ? (
              <p className="dim">&nbsp;&nbsp; Nothing was refused or dropped.</p>
            ) : (
              <table className={classes["ledger"]}>
                <tbody>
                  {totals.map((total) => (
                    <tr key={`${total.signal} ${total.reason}`}>
                      <th scope="row">{total.signal}</th>
                      <td>{total.reason.replaceAll("_", " ")}</td>
                      <td className="num warn-text">{exactCount(total.count)}</td>
                      <td className="num dim">{bytes(total.bytes)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )
          }
        </QueryView>
      </Panel>
    </div>
  );
}
