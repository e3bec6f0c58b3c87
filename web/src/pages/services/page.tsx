import { TextInput } from "@mantine/core";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { Sparkline } from "../../components/charts/sparkline";
import { NothingSent } from "../../components/view/empty";
import { ErrorShare } from "../../components/view/error-share";
import { Page } from "../../components/view/page";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { ServiceName } from "../../components/view/service-name";
import { type Column, SortableTable } from "../../components/view/sortable";
import { count, durationMs, rate, rates } from "../../lib/format";
import { useTimeRange } from "../../state/time-range";
import { servicesAsks } from "./asks";
import { SERVICE_ORDERS } from "./search";

type Service = Schemas["ServiceFigures"];
type Trend = Schemas["ServiceTrend"];

export function ServicesPage(): ReactNode {
  const search = useSearch({ from: "/services" });
  const navigate = useNavigate({ from: "/services" });
  const range = useTimeRange();
  const asks = servicesAsks(range.query);
  const services = useGet(...asks.services);
  const trends = useGet(...asks.trends);
  const byName = useMemo(
    () => new Map((trends.data?.services ?? []).map((trend) => [trend.service, trend])),
    [trends.data],
  );
  const wanted = (search.q ?? "").toLowerCase();
  return (
    <Page
      title="Services"
      actions={
        <>
          <TextInput
            data-page-search
            aria-label="Filter services"
            placeholder="Filter by name"
            value={search.q ?? ""}
            onChange={(event) => {
              const q = event.currentTarget.value;
              void navigate({ search: (before) => ({ ...before, q: q === "" ? undefined : q }), replace: true });
            }}
          />
          <Link to="/map">Show the map</Link>
        </>
      }
    >
      <Panel flush>
        <QueryView query={services}>
          {(data) =>
            data.services.length === 0 ? (
              <NothingSent title="No service has sent a span in this range" note="This sends some:" />
            ) : (
              <SortableTable
                rows={data.services.filter(({ service }) => service.toLowerCase().includes(wanted))}
                columns={columns(byName, (counts) => rates(counts, Date.parse(trends.data?.from ?? ""), trends.data?.step_seconds ?? 60, range.toMs))}
                keyOf={({ service }) => service}
                initial={search.sort ?? "service"}
                label="Services"
                onSort={(key) => {
                  const sort = SERVICE_ORDERS.find((order) => order === key);
                  void navigate({ search: (before) => ({ ...before, sort }), replace: true });
                }}
              />
            )
          }
        </QueryView>
      </Panel>
    </Page>
  );
}

function columns(trends: Map<string, Trend>, ratesOf: (counts: number[]) => (number | null)[]): Column<Service>[] {
  return [
    {
      key: "service",
      head: "Service",
      sort: ({ service }) => service,
      cell: ({ service }) => <ServiceName service={service} link />,
    },
    {
      key: "rate",
      head: "Requests",
      numeric: true,
      trend: ({ service }) => (
        <Sparkline
          values={ratesOf(trends.get(service)?.request_counts ?? [])}
          label="Requests"
          format={rate}
        />
      ),
      sort: (row) => row.rate,
      cell: (row) => rate(row.rate),
    },
    {
      key: "errors",
      head: "Errors",
      numeric: true,
      trend: ({ service }) => (
        <Sparkline
          values={trends.get(service)?.error_counts ?? []}
          color="--v-error"
          width={72}
          label="Errors"
          format={count}
        />
      ),
      sort: (row) => row.error_rate,
      cell: (row) => <ErrorShare figures={row} />,
    },
    { key: "p50", head: "p50", numeric: true, sort: (row) => row.p50_ms, cell: (row) => durationMs(row.p50_ms) },
    {
      key: "p95",
      head: "p95",
      numeric: true,
      trend: ({ service }) => (
        <Sparkline
          values={trends.get(service)?.p95_ms ?? []}
          color="--v-chart-3"
          width={72}
          label="p95"
          format={durationMs}
        />
      ),
      sort: (row) => row.p95_ms,
      cell: (row) => durationMs(row.p95_ms),
    },
    {
      key: "p99",
      head: "p99",
      numeric: true,
      wideOnly: true,
      sort: (row) => row.p99_ms,
      cell: (row) => durationMs(row.p99_ms),
    },
    {
      key: "operations",
      head: "Operations",
      numeric: true,
      wideOnly: true,
      sort: (row) => row.operation_count,
      cell: (row) => count(row.operation_count),
    },
    {
      key: "versions",
      head: "Versions",
      wideOnly: true,
      cell: ({ versions }) => <span className="dim">{versions.slice(-3).join(", ")}</span>,
    },
  ];
}
