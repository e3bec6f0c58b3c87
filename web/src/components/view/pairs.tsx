import { Fragment, type ReactNode } from "react";
import { valueText } from "../../lib/format";
import { Copy } from "./copy";
import classes from "./pairs.module.css";

/** Names and their values, each to be copied; `actions` is what else can be done with one. */
export function Pairs(props: {
  pairs: Record<string, unknown>;
  actions?: (name: string, value: string) => ReactNode;
}): ReactNode {
  const { pairs, actions } = props;
  const entries = Object.entries(pairs).toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return <span className="dim">None.</span>;
  return (
    <table className={classes["pairs"]}>
      <tbody>
        {entries.map(([name, raw]) => {
          const value = valueText(raw);
          return (
            <tr key={name}>
              <th scope="row">{broken(name)}</th>
              <td>
                <span className={classes["actions"]}>
                  {actions?.(name, value)}
                  <Copy value={value} what={name} />
                </span>
                {value === "" ? <span className="dim">empty</span> : value}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** A long name breaks behind its dots and underscores. */
function broken(name: string): ReactNode[] {
  return name.split(/(?<=[._])/).map((piece, index) => (
    <Fragment key={index}>
      {index > 0 && <wbr />}
      {piece}
    </Fragment>
  ));
}
