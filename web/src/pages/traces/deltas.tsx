import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { exactCount, share } from "../../lib/format";
import { condition } from "../../lib/query-text";
import classes from "./traces.module.css";

/** What tells the selected spans from the rest: keys by how differently their values are spread. */
export function Deltas({ deltas, add }: { deltas: Schemas["Deltas"]; add: (condition: string) => void }): ReactNode {
  const keys = deltas.attributes.filter(({ score }) => score > 0.02);
  if (deltas.selected_count === 0) return <p className="dim">No span lies there.</p>;
  if (keys.length === 0) return <p className="dim">No attribute is spread differently.</p>;
  return (
    <>
      <p className="dim">
        <span className={classes["key"]} data-selected /> {exactCount(deltas.selected_count)} selected spans{"   "}
        <span className={classes["key"]} /> {exactCount(deltas.rest_count)} others
        {deltas.sampled ? ", of a sample" : ""}
      </p>
      <div className={classes["deltas"]}>
        {keys.slice(0, 12).map((one) => (
          <div key={one.key} className={classes["delta"]}>
            <h3>
              {one.key} <small>{share(one.score)} apart</small>
            </h3>
            {one.values.slice(0, 4).map(({ value, selected_share, rest_share }) => (
              <button
                key={value ?? "\0"}
                type="button"
                className={classes["value"]}
                title={`${value ?? "missing"}: ${share(selected_share)} of the selected, ${share(rest_share)} of the others`}
                onClick={() => add(value === null ? `-${condition(one.key, "").slice(0, -2)}*` : condition(one.key, value))}
              >
                <span className="ellipsis">{value === null ? <i className="dim">missing</i> : value}</span>
                <span className={classes["bars"]}>
                  <i style={{ width: `${selected_share * 100}%` }} />
                  <i style={{ width: `${rest_share * 100}%` }} />
                </span>
                <span className="num dim">{share(selected_share)}</span>
              </button>
            ))}
          </div>
        ))}
      </div>
    </>
  );
}
