import { Badge } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { exactCount } from "../../lib/format";
import { Sparkline } from "../charts/sparkline";
import { ServiceName } from "./service-name";
import { type Column, SortableTable } from "./sortable";
import { When } from "./when";

type Kind = Schemas["ErrorKind"];

/** Errors by kind, each with its course and an example. */
export function ErrorTable({ errors, withService }: { errors: Kind[]; withService: boolean }): ReactNode {
  const service: Column<Kind> = {
    key: "service",
    head: "Service",
    sort: (row) => row.service,
    cell: (row) => <ServiceName service={row.service} link />,
  };
  const columns: Column<Kind>[] = [
    ...(withService ? [service] : []),
    {
      key: "kind",
      head: "Error",
      sort: (row) => row.kind,
      cell: (row) => (
        <>
          <span className="error-text">{row.kind}</span> {row.is_new && <Badge color="red">new</Badge>}
          <div className="dim">{row.message}</div>
        </>
      ),
    },
    { key: "operation", head: "Operation", wideOnly: true, sort: (row) => row.operation, cell: (row) => row.operation },
    {
      key: "count",
      head: "Spans",
      numeric: true,
      trend: (row) => <Sparkline values={row.trend} color="--v-error" label="Errors" format={exactCount} />,
      sort: (row) => row.count,
      cell: (row) => exactCount(row.count),
    },
    {
      key: "before",
      head: "Before",
      numeric: true,
      wideOnly: true,
      sort: (row) => row.before_count,
      cell: (row) => <span className="dim">{exactCount(row.before_count)}</span>,
    },
    {
      key: "last",
      head: "Last seen",
      wideOnly: true,
      sort: (row) => -Date.parse(row.last_seen),
      cell: (row) => (
        <span className="dim">
          <When time={row.last_seen} clockOnly />
        </span>
      ),
    },
    {
      key: "example",
      head: "",
      numeric: true,
      cell: (row) =>
        row.trace_ids[0] === undefined ? null : (
          <Link to="/traces/$traceId" params={{ traceId: row.trace_ids[0] }} preload={false}>
            trace
          </Link>
        ),
    },
  ];
  return (
    <SortableTable
      rows={errors}
      columns={columns}
      keyOf={(row) => `${row.service}\0${row.operation}\0${row.kind}\0${row.message}`}
      initial="count"
      label="Errors by kind"
    />
  );
}
