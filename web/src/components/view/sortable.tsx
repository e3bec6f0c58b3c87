import { Table, UnstyledButton } from "@mantine/core";
import { type ReactNode, useState } from "react";
import classes from "./sortable.module.css";

export interface Column<T> {
  key: string;
  head: string;
  cell: (row: T) => ReactNode;
  /** What the column is sorted by; without it, it is not. Numbers fall at first, texts rise. */
  sort?: (row: T) => number | string | null;
  numeric?: boolean;
  /** Left out where there is little room. */
  wideOnly?: boolean;
}

/** A table that is sorted by clicking on its heads. */
export function SortableTable<T>(props: {
  rows: readonly T[];
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
  /** The column that is sorted by at first. */
  initial: string;
  label: string;
  onSort?: (key: string) => void;
}): ReactNode {
  const { rows, columns, keyOf, initial, label, onSort } = props;
  const [order, setOrder] = useState<{ key: string; turned: boolean }>({ key: initial, turned: false });
  const by = columns.find(({ key }) => key === order.key)?.sort;
  const sorted = by ? rows.toSorted((a, b) => compare(by(a), by(b)) * (order.turned ? -1 : 1)) : rows;
  return (
    <div className={classes["scroll"]} tabIndex={0} role="region" aria-label={label}>
      <Table aria-label={label}>
        <Table.Thead>
          <Table.Tr>
            {columns.map(({ key, head, sort, numeric, wideOnly }) => (
              <Table.Th
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
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {sorted.map((row) => (
            <Table.Tr key={keyOf(row)}>
              {columns.map(({ key, cell, numeric, wideOnly }) => (
                <Table.Td key={key} className={numeric ? "num" : undefined} data-wide-only={wideOnly || undefined}>
                  {cell(row)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

/** Texts rise, numbers fall, what is missing comes last. */
function compare(a: number | string | null, b: number | string | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === "number" && typeof b === "number") return b - a;
  return String(a).localeCompare(String(b));
}
