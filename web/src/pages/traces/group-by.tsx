import { Autocomplete } from "@mantine/core";
import { type ReactNode, useState } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { type Column, SortableTable } from "../../components/view/sortable";
import { durationMs, exactCount, share } from "../../lib/format";
import { condition } from "../../lib/query-text";
import { useTimeRange } from "../../state/time-range";
import classes from "./traces.module.css";

const COMMON = ["service", "name", "kind", "status"];

/** Chooses the key that matching spans are grouped by. */
export function GroupBy(props: { value: string | undefined; onChange: (by: string | undefined) => void }): ReactNode {
  const { value, onChange } = props;
  const range = useTimeRange();
  const [typed, setTyped] = useState(value ?? "");
  const [open, setOpen] = useState(false);
  const keys = useGet("/api/v1/traces/attributes", { params: { query: { ...range.query, limit: 200 } } }, { enabled: open });
  const names = [...COMMON, ...(keys.data?.attributes ?? []).map(({ key }) => key)];
  return (
    <Autocomplete
      w={190}
      aria-label="Group by"
      placeholder="Group by…"
      data={[...new Set(names)]}
      limit={60}
      value={typed}
      onChange={setTyped}
      onFocus={() => setOpen(true)}
      onOptionSubmit={(key) => onChange(key)}
      onKeyDown={(event) => {
        if (event.key === "Enter" && names.includes(typed)) onChange(typed);
      }}
      clearable
      onClear={() => onChange(undefined)}
      comboboxProps={{ transitionProps: { duration: 0 } }}
    />
  );
}

type Group = Schemas["BreakdownGroup"];

GroupBy.Table = function GroupTable(props: { groups: Schemas["Breakdown"]; add: (condition: string) => void }): ReactNode {
  const { groups, add } = props;
  const columns: Column<Group>[] = [
    {
      key: "value",
      head: groups.by,
      sort: (group) => group.value,
      cell: (group) => (
        <button
          type="button"
          className={classes["value"]}
          onClick={() => add(condition(groups.by, group.value ?? ""))}
          title="Only these"
        >
          {group.value}
        </button>
      ),
    },
    { key: "count", head: "Spans", numeric: true, sort: (group) => group.count, cell: (group) => exactCount(group.count) },
    {
      key: "errors",
      head: "Errors",
      numeric: true,
      sort: (group) => group.error_count / group.count,
      cell: (group) =>
        group.error_count > 0 ? (
          <span className="error-text">
            {exactCount(group.error_count)} ({share(group.error_count / group.count)})
          </span>
        ) : (
          "–"
        ),
    },
    { key: "p50", head: "p50", numeric: true, sort: (group) => group.p50_ms, cell: (group) => durationMs(group.p50_ms) },
    { key: "p95", head: "p95", numeric: true, sort: (group) => group.p95_ms, cell: (group) => durationMs(group.p95_ms) },
    { key: "p99", head: "p99", numeric: true, sort: (group) => group.p99_ms, cell: (group) => durationMs(group.p99_ms) },
  ];
  return (
    <SortableTable
      rows={groups.groups}
      columns={columns}
      keyOf={(group) => group.value ?? ""}
      initial="count"
      label={`Spans by ${groups.by}`}
    />
  );
};
