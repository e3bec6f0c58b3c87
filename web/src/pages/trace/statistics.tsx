import { type ReactNode, useEffect } from "react";
import { type Column, SortableTable } from "../../components/view/sortable";
import { ServiceName } from "../../components/view/service-name";
import { count, durationNs, share } from "../../lib/format";
import { type OperationStatistics, statistics, type TraceModel } from "./model";
import classes from "./trace.module.css";

const SOON_MS = 500;

/** Have a trace's statistics ready before they are asked for: of many spans they take longer than a table. */
export function useStatisticsSoon(trace: TraceModel): void {
  useEffect(() => {
    const timer = setTimeout(() => statistics(trace), SOON_MS);
    return () => clearTimeout(timer);
  }, [trace]);
}

/** What each operation took of the trace. */
export function Statistics({ trace, hidden }: { trace: TraceModel; hidden: ReadonlySet<string> }): ReactNode {
  const rows = statistics(trace);
  const columns: Column<OperationStatistics>[] = [
    { key: "service", head: "Service", cell: (row) => <ServiceName service={row.service} />, sort: (row) => row.service },
    { key: "name", head: "Operation", cell: (row) => row.name, sort: (row) => row.name },
    { key: "spans", head: "Spans", numeric: true, cell: (row) => count(row.spans), sort: (row) => row.spans },
    {
      key: "errors",
      head: "Errors",
      numeric: true,
      cell: (row) => (row.errors > 0 ? <span className="error-text">{count(row.errors)}</span> : "–"),
      sort: (row) => row.errors,
    },
    { key: "total", head: "Total", numeric: true, cell: (row) => durationNs(row.totalNs), sort: (row) => row.totalNs },
    { key: "self", head: "Self", numeric: true, cell: (row) => durationNs(row.selfNs), sort: (row) => row.selfNs },
    {
      key: "critical",
      head: "On the critical path",
      numeric: true,
      cell: (row) => (row.criticalNs > 0 ? `${durationNs(row.criticalNs)} (${share(row.criticalNs / trace.durationNs)})` : "–"),
      sort: (row) => row.criticalNs,
    },
    { key: "mean", head: "Mean", numeric: true, cell: (row) => durationNs(row.meanNs), sort: (row) => row.meanNs },
    { key: "median", head: "p50", numeric: true, cell: (row) => durationNs(row.medianNs), sort: (row) => row.medianNs },
    { key: "p95", head: "p95", numeric: true, cell: (row) => durationNs(row.p95Ns), sort: (row) => row.p95Ns },
    { key: "max", head: "Longest", numeric: true, cell: (row) => durationNs(row.maxNs), sort: (row) => row.maxNs },
  ];
  return (
    <div className={classes["scroll"]}>
      <SortableTable
        rows={rows.filter(({ service }) => !hidden.has(service))}
        columns={columns}
        keyOf={(row) => `${row.service}\0${row.name}`}
        initial="self"
        label="Statistics of the operations"
      />
    </div>
  );
}
