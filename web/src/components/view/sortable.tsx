import { UnstyledButton } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { exactCount } from "../../lib/format";
import { usePainted } from "../../lib/use-painted";
import classes from "./sortable.module.css";

export interface Column<T> {
  key: string;
  head: string;
  cell: (row: T) => ReactNode;
  /** What the column is sorted by; without it, it is not. Numbers fall at first, texts rise. */
  sort?: (row: T) => number | string | null;
  numeric?: boolean;
  /** Its course in small, before the figure; left out where there is little room. */
  trend?: (row: T) => ReactNode;
  /** Left out where there is little room. */
  wideOnly?: boolean;
}

/** No row is less high. As many as the window has room for are shown first, the others when these are painted. */
const ROW_PIXELS = 27;

/** A table that is sorted by clicking on its heads. Its cells are the browser's own, as some have a thousand. */
export function SortableTable<T>(props: {
  rows: readonly T[];
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
  /** The column that is sorted by at first. */
  initial: string;
  label: string;
  onSort?: (key: string) => void;
  /** How many rows are shown, the first by the order; that there are others is said. */
  most?: number;
}): ReactNode {
  const { rows, columns, keyOf, initial, label, onSort, most = Number.POSITIVE_INFINITY } = props;
  const [order, setOrder] = useState<{ key: string; turned: boolean }>({ key: initial, turned: false });
  const by = columns.find(({ key }) => key === order.key)?.sort;
  const sorted = by ? rows.toSorted((a, b) => compare(by(a), by(b)) * (order.turned ? -1 : 1)) : rows;
  const painted = usePainted();
  const firstRows = Math.min(most, Math.ceil(window.innerHeight / ROW_PIXELS));
  return (
    <div className={classes["scroll"]} tabIndex={0} role="region" aria-label={label}>
      <table aria-label={label} aria-busy={!painted && rows.length > firstRows ? true : undefined}>
        <thead>
          <tr>
            {columns.map(({ key, head, sort, numeric, wideOnly }) => (
              <th
                key={key}
                className={numeric ? "num" : undefined}
                data-wide-only={wideOnly || undefined}
                aria-sort={order.key === key ? (order.turned ? "descending" : "ascending") : undefined}
              >
                {sort === undefined ? (
                  head
                ) : (
                  <UnstyledButton
                    className={classes["head"]}
                    onClick={() => {
                      setOrder({ key, turned: order.key === key ? !order.turned : false });
                      onSort?.(key);
                    }}
                  >
                    {head}
                    <span aria-hidden>{order.key === key ? (order.turned ? " ↑" : " ↓") : ""}</span>
                  </UnstyledButton>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, painted ? most : firstRows).map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ key, cell, numeric, trend, wideOnly }) => (
                <td key={key} className={numeric ? "num" : undefined} data-wide-only={wideOnly || undefined}>
                  {trend === undefined ? (
                    cell(row)
                  ) : (
                    <div className={classes["withTrend"]}>
                      <span data-wide-only>{trend(row)}</span>
                      <span>{cell(row)}</span>
                    </div>
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > most && (
        <p className={classes["rest"]}>
          {exactCount(most)} of {exactCount(rows.length)} are shown; the search finds the others.
        </p>
      )}
    </div>
  );
}

/** Texts rise, numbers fall, what is missing comes last. */
function compare(a: number | string | null, b: number | string | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === "number" && typeof b === "number") return b - a;
  return String(a).localeCompare(String(b));
}
