import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { Panel } from "../../components/view/panel";
import { bytes, exactCount } from "../../lib/format";
import classes from "./catalogue.module.css";

const SHOWN = 5;

interface Entry {
  name: string;
  figure: string;
  /** Of 1, how long its bar is. */
  part: number;
  title: string;
}

/** What makes the tenant's series: metrics, those that make new ones, labels. */
export function Cardinality(props: { counts: Schemas["Cardinality"]; onMetric: (name: string) => void }): ReactNode {
  const { counts, onMetric } = props;
  const metrics = counts.by_metric.slice(0, SHOWN).map(({ name, series }): Entry => ({
    name,
    figure: exactCount(series),
    part: series / counts.series,
    title: `${exactCount(series)} of ${exactCount(counts.series)} series`,
  }));
  const fresh = counts.by_new_series
    .filter(({ new_last_day: added }) => added > 0)
    .slice(0, SHOWN)
    .map(({ name, new_last_hour: hour, new_last_day: day }): Entry => ({
      name,
      figure: exactCount(day),
      part: day / Math.max(1, counts.new_last_day),
      title: `${exactCount(day)} new in a day, ${exactCount(hour)} of them in the last hour`,
    }));
  const named = counts.by_label.filter(({ name }) => name !== "__name__");
  const most = named[0]?.values ?? 1;
  const labels = named.slice(0, SHOWN).map(({ name, values, series, bytes: size }): Entry => ({
    name,
    figure: exactCount(values),
    part: values / most,
    title: `${exactCount(values)} values (${bytes(size)}) on ${exactCount(series)} series`,
  }));
  return (
    <div className={classes["cardinality"]}>
      <Top title="Most series" side={`${exactCount(counts.series)} in a day`} entries={metrics} onPick={onMetric} />
      <Top title="Most new series" side={`${exactCount(counts.new_last_day)} in a day`} entries={fresh} onPick={onMetric} />
      <Top title="Labels with most values" side={`${exactCount(counts.label_pairs)} pairs`} entries={labels} />
    </div>
  );
}

function Top(props: { title: string; side: string; entries: Entry[]; onPick?: (name: string) => void }): ReactNode {
  const { title, side, entries, onPick } = props;
  return (
    <Panel title={title} side={side} flush>
      {entries.length === 0 && <p className={classes["note"]}>None.</p>}
      <ol className={classes["top"]} aria-label={title}>
        {entries.map(({ name, figure, part, title }) => (
          <li key={name} title={title}>
            {onPick ? (
              <button type="button" onClick={() => onPick(name)}>
                {name}
              </button>
            ) : (
              <span>{name}</span>
            )}
            <span className="num">{figure}</span>
            <i style={{ width: `${part * 100}%` }} />
          </li>
        ))}
      </ol>
    </Panel>
  );
}
