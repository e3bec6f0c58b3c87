import { Button, SegmentedControl, TextInput } from "@mantine/core";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo, useState } from "react";
import { Empty } from "../../components/view/empty";
import { Page } from "../../components/view/page";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { ServiceName } from "../../components/view/service-name";
import { type Column, SortableTable } from "../../components/view/sortable";
import { durationNs, exactCount, plural } from "../../lib/format";
import { type OperationStatistics, statistics, type TraceModel } from "../trace/model";
import { useTrace } from "../trace/use-trace";
import classes from "./compare.module.css";
import { PathTree } from "./path-tree";

interface Row {
  service: string;
  name: string;
  a: OperationStatistics | null;
  b: OperationStatistics | null;
}

/** Two traces side by side: which calls took longer, came more often, or are missing. */
export function ComparePage(): ReactNode {
  const search = useSearch({ from: "/compare" });
  const navigate = useNavigate({ from: "/compare" });
  const a = useTrace(search.a);
  const b = useTrace(search.b);
  const rows = useMemo(
    () => (search.operations && a.trace && b.trace ? join(a.trace, b.trace) : []),
    [search.operations, a.trace, b.trace],
  );
  return (
    <Page title="Compare traces">
      <div className={classes["sides"]}>
        <Side which="a" id={search.a} side={a} />
        <Side which="b" id={search.b} side={b} />
      </div>
      {a.trace && b.trace ? (
        <Panel
          title="What differs"
          side={
            <SegmentedControl
              size="xs"
              aria-label="View"
              value={search.operations ? "operations" : "calls"}
              onChange={(chosen) =>
                void navigate({ search: (before) => ({ ...before, operations: chosen === "operations" || undefined }) })
              }
              data={[
                { value: "calls", label: "Calls" },
                { value: "operations", label: "Operations" },
              ]}
            />
          }
          flush
        >
          {search.operations ? (
            <SortableTable
              rows={rows}
              columns={COLUMNS}
              keyOf={(row) => `${row.service}\0${row.name}`}
              initial="difference"
              label="Operations of both traces"
            />
          ) : (
            <PathTree a={a.trace} b={b.trace} />
          )}
        </Panel>
      ) : (
        <Panel>
          <Empty title="Two traces are compared here">Give the ids of both, or come from a trace&apos;s page.</Empty>
        </Panel>
      )}
    </Page>
  );
}

function Side(props: { which: "a" | "b"; id: string | undefined; side: ReturnType<typeof useTrace> }): ReactNode {
  const { which, id, side } = props;
  const navigate = useNavigate({ from: "/compare" });
  const [typed, setTyped] = useState(id ?? "");
  const root = side.trace?.roots[0] ?? 0;
  return (
    <Panel>
      <form
        className={classes["form"]}
        onSubmit={(event) => {
          event.preventDefault();
          void navigate({ search: (before) => ({ ...before, [which]: typed.trim() || undefined }) });
        }}
      >
        <TextInput
          flex={1}
          label={which === "a" ? "First trace" : "Second trace"}
          placeholder="Trace id"
          classNames={{ input: "mono" }}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <Button type="submit" variant="default">
          Show
        </Button>
      </form>
      {id !== undefined && side.trace === null && <QueryView query={side.query}>{() => null}</QueryView>}
      {side.trace && id !== undefined && (
        <p className={classes["facts"]}>
          <Link to="/traces/$traceId" params={{ traceId: side.trace.traceId }}>
            {side.trace.columns.service[root]} {side.trace.columns.name[root]}
          </Link>
          <b>{durationNs(side.trace.durationNs)}</b>
          <span>
            {plural(side.trace.size, "span")}, {plural(side.trace.errors, "error")}
          </span>
        </p>
      )}
    </Panel>
  );
}

function join(a: TraceModel, b: TraceModel): Row[] {
  const rows = new Map<string, Row>();
  for (const [side, trace] of [["a", a], ["b", b]] as const) {
    for (const own of statistics(trace)) {
      const key = `${own.service}\0${own.name}`;
      const row = rows.get(key) ?? { service: own.service, name: own.name, a: null, b: null };
      row[side] = own;
      rows.set(key, row);
    }
  }
  return [...rows.values()];
}

function difference(row: Row): number {
  return (row.b?.selfNs ?? 0) - (row.a?.selfNs ?? 0);
}

const COLUMNS: Column<Row>[] = [
  { key: "service", head: "Service", sort: (row) => row.service, cell: (row) => <ServiceName service={row.service} /> },
  { key: "name", head: "Operation", sort: (row) => row.name, cell: (row) => row.name },
  { key: "spans-a", head: "Spans", numeric: true, sort: (row) => row.a?.spans ?? null, cell: (row) => (row.a ? exactCount(row.a.spans) : "–") },
  { key: "spans-b", head: "Spans, second", numeric: true, sort: (row) => row.b?.spans ?? null, cell: (row) => (row.b ? exactCount(row.b.spans) : "–") },
  { key: "self-a", head: "Self", numeric: true, sort: (row) => row.a?.selfNs ?? null, cell: (row) => (row.a ? durationNs(row.a.selfNs) : "only in the second") },
  { key: "self-b", head: "Self, second", numeric: true, sort: (row) => row.b?.selfNs ?? null, cell: (row) => (row.b ? durationNs(row.b.selfNs) : "only in the first") },
  {
    key: "difference",
    head: "Difference",
    numeric: true,
    sort: (row) => Math.abs(difference(row)),
    cell: (row) => {
      const ns = difference(row);
      return (
        <span className={ns > 0 ? "warn-text" : "dim"}>
          {ns > 0 ? "+" : ns < 0 ? "−" : ""}
          {durationNs(Math.abs(ns))}
        </span>
      );
    },
  },
];
