import type { ReactNode } from "react";
import { inUnit } from "../../lib/format";
import classes from "./explore.module.css";
import { type Line, statisticsOf } from "./results";

const NONE = "–";

/** The lines of a chart with their figures. A press shows one alone, another one all of them. */
export function Legend(props: {
  lines: readonly Line[];
  unit: "seconds" | "bytes" | "";
  only: string | undefined;
  onOnly: (name: string | undefined) => void;
  onFocus: (name: string | null) => void;
  /** The time under the pointer, as an index. */
  cursor: number | null;
}): ReactNode {
  const { lines, unit, only, onOnly, onFocus, cursor } = props;
  const text = (value: number | null | undefined): string => (value === null || value === undefined ? NONE : inUnit(value, unit));
  return (
    <div className={classes["legend"]} tabIndex={0} role="region" aria-label="Series">
      <table aria-label="Series">
        <thead>
          <tr>
            <th scope="col">Series</th>
            <th scope="col" className="num">
              {cursor === null ? "Last" : "Here"}
            </th>
            <th scope="col" className="num" data-wide-only>
              Mean
            </th>
            <th scope="col" className="num" data-wide-only>
              Least
            </th>
            <th scope="col" className="num">
              Most
            </th>
          </tr>
        </thead>
        <tbody onPointerLeave={() => onFocus(null)}>
          {lines.map((line) => {
            const { last, mean, min, max } = statisticsOf(line.values);
            return (
              <tr
                key={`${line.letter} ${line.full} ${line.before}`}
                data-off={(only !== undefined && only !== line.name) || undefined}
                onPointerEnter={() => onFocus(line.name)}
              >
                <td>
                  <button
                    type="button"
                    aria-pressed={only === line.name}
                    title={line.full}
                    onClick={() => onOnly(only === line.name ? undefined : line.name)}
                  >
                    <span className={classes["key"]} style={{ background: line.color }} data-dash={line.before || undefined} />
                    {line.before ? `${line.name} before` : line.name}
                  </button>
                </td>
                <td className="num">{text(cursor === null ? last : line.values[cursor])}</td>
                <td className="num" data-wide-only>
                  {text(mean)}
                </td>
                <td className="num" data-wide-only>
                  {text(min)}
                </td>
                <td className="num">{text(max)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
