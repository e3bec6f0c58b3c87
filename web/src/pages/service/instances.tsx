import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { Empty } from "../../components/view/empty";
import { ErrorShare } from "../../components/view/error-share";
import { QueryView } from "../../components/view/query-view";
import { type Column, SortableTable } from "../../components/view/sortable";
import { When } from "../../components/view/when";
import { durationMs, rate } from "../../lib/format";
import { condition } from "../../lib/query-text";
import { useTimeRange } from "../../state/time-range";

/** Who ran the service. */
export function Instances({ service }: { service: string }): ReactNode {
  const range = useTimeRange();
  const instances = useGet("/api/v1/services/{service}/instances", {
    params: { path: { service }, query: range.query },
  });
  return (
    <QueryView query={instances}>
      {(data) =>
        data.instances.length === 0 ? (
          <Empty title="No instance sent a span in this range" />
        ) : (
          <SortableTable
            rows={data.instances}
            columns={columns(service)}
            keyOf={(row) => `${row.instance}\0${row.version}\0${row.host}`}
            initial="rate"
            label="Instances"
          />
        )
      }
    </QueryView>
  );
}

function columns(service: string): Column<Schemas["Instance"]>[] {
  return [
    {
      key: "instance",
      head: "Instance",
      sort: (row) => row.instance,
      cell: (row) => (
        <Link
          className="plain"
          to="/traces"
          search={(before) => ({
            ...before,
            q: `${condition("service", service)} ${condition("resource.service.instance.id", row.instance)}`,
          })}
        >
          {row.instance || "(not named)"}
        </Link>
      ),
    },
    { key: "version", head: "Version", sort: (row) => row.version, cell: (row) => row.version || "–" },
    { key: "host", head: "Host", wideOnly: true, sort: (row) => row.host, cell: (row) => row.host || "–" },
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
    {
      key: "seen",
      head: "Last seen",
      wideOnly: true,
      sort: (row) => -Date.parse(row.last_seen),
      cell: (row) => <When time={row.last_seen} />,
    },
  ];
}
