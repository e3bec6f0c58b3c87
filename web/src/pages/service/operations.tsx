import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { ErrorShare } from "../../components/view/error-share";
import { QueryView } from "../../components/view/query-view";
import { type Column, SortableTable } from "../../components/view/sortable";
import { durationMs, rate } from "../../lib/format";
import { condition } from "../../lib/query-text";
import { useTimeRange } from "../../state/time-range";
import { operationsAsk } from "./asks";

type Operation = Schemas["OperationFigures"];

/** What the service does; a name narrows the charts to it. */
export function Operations({ service }: { service: string }): ReactNode {
  const range = useTimeRange();
  const operations = useGet(...operationsAsk(service, range.query));
  const columns: Column<Operation>[] = [
    {
      key: "name",
      head: "Operation",
      sort: (row) => row.name,
      cell: (row) => (
        <Link
          className="plain"
          to="/services/$service"
          params={{ service }}
          search={(before) => ({ ...before, operation: row.name })}
        >
          {row.name}
        </Link>
      ),
    },
    { key: "kind", head: "Kind", sort: (row) => row.kind, cell: (row) => <span className="dim">{row.kind}</span> },
    { key: "rate", head: "Rate", numeric: true, sort: (row) => row.rate, cell: (row) => rate(row.rate) },
    {
      key: "errors",
      head: "Errors",
      numeric: true,
      sort: (row) => row.error_rate,
      cell: (row) => <ErrorShare figures={row} />,
    },
    { key: "p50", head: "p50", numeric: true, sort: (row) => row.p50_ms, cell: (row) => durationMs(row.p50_ms) },
    { key: "p95", head: "p95", numeric: true, sort: (row) => row.p95_ms, cell: (row) => durationMs(row.p95_ms) },
    { key: "p99", head: "p99", numeric: true, wideOnly: true, sort: (row) => row.p99_ms, cell: (row) => durationMs(row.p99_ms) },
    {
      key: "traces",
      head: "",
      numeric: true,
      wideOnly: true,
      cell: (row) => (
        <Link
          to="/traces"
          search={(before) => ({ ...before, q: `${condition("service", service)} ${condition("name", row.name)}`, order: "slowest" })}
        >
          slow traces
        </Link>
      ),
    },
  ];
  return (
    <QueryView query={operations}>
      {(data) => (
        <SortableTable
          rows={data.operations}
          columns={columns}
          keyOf={(row) => `${row.name}\0${row.kind}`}
          initial="rate"
          label="Operations"
        />
      )}
    </QueryView>
  );
}
