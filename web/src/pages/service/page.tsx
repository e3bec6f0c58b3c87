import { Button, CloseButton, Tabs } from "@mantine/core";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { type HeatCells, Heatmap } from "../../components/charts/heatmap";
import { Page } from "../../components/view/page";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { ServiceName } from "../../components/view/service-name";
import { durationMs, exactPlural, plural, rate, share } from "../../lib/format";
import { condition } from "../../lib/query-text";
import { useTimeRange } from "../../state/time-range";
import { heatAsk, serviceAsks, spansOf } from "./asks";
import { Dependencies } from "./dependencies";
import { ErrorKinds } from "./error-kinds";
import { Instances } from "./instances";
import { Operations } from "./operations";
import { RecentLogs } from "./recent-logs";
import { RedCharts } from "./red-charts";
import { Releases } from "./releases";
import { SERVICE_TABS, type ServiceTab } from "./search";

const TAB_NAMES: Record<ServiceTab, string> = {
  operations: "Operations",
  dependencies: "Dependencies",
  errors: "Errors",
  logs: "Logs",
  instances: "Instances",
  releases: "Releases",
};

export function ServicePage(): ReactNode {
  const { service } = useParams({ from: "/services/$service" });
  const search = useSearch({ from: "/services/$service" });
  const navigate = useNavigate({ from: "/services/$service" });
  const range = useTimeRange();
  const asks = serviceAsks(service, search, range.query);
  const services = useGet(...asks.services);
  const figures = services.data?.services.find((one) => one.service === service);
  const tab = search.tab ?? "operations";
  const q = spansOf(service, search.operation);
  return (
    <Page
      title={service}
      heading={<ServiceName service={service} />}
      note={
        figures &&
        `${rate(figures.rate)}, ${share(figures.error_rate)} errors, p50 ${durationMs(figures.p50_ms)}, p95 ${durationMs(figures.p95_ms)}, p99 ${durationMs(figures.p99_ms)}${
          figures.versions.length > 0 ? `, version ${figures.versions.slice(-2).join(", ")}` : ""
        }`
      }
      actions={
        <>
          {search.operation !== undefined && (
            <Button
              variant="light"
              rightSection={<CloseButton component="span" size="xs" aria-hidden />}
              onClick={() => void navigate({ search: (before) => ({ ...before, operation: undefined }) })}
              aria-label={`Only ${search.operation}; press for all operations`}
            >
              {search.operation}
            </Button>
          )}
          <Button variant="default" renderRoot={(rest) => <Link {...rest} to="/traces" search={(before) => ({ ...before, q })} />}>
            Traces
          </Button>
          <Button
            variant="default"
            renderRoot={(rest) => (
              <Link {...rest} to="/logs" search={(before) => ({ ...before, q: condition("service", service) })} />
            )}
          >
            Logs
          </Button>
        </>
      }
    >
      <RedCharts service={service} operation={search.operation} />
      <LatencyMap q={q} />
      <Panel flush>
        <Tabs
          value={tab}
          onChange={(value) =>
            void navigate({
              search: (before) => ({ ...before, tab: value === "operations" ? undefined : (value as ServiceTab) }),
              replace: true,
            })
          }
        >
          <Tabs.List>
            {SERVICE_TABS.map((name) => (
              <Tabs.Tab key={name} value={name}>
                {TAB_NAMES[name]}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value="operations">
            <Operations service={service} />
          </Tabs.Panel>
          <Tabs.Panel value="dependencies">
            <Dependencies service={service} />
          </Tabs.Panel>
          <Tabs.Panel value="errors">
            <ErrorKinds service={service} operation={search.operation} />
          </Tabs.Panel>
          <Tabs.Panel value="logs">
            <RecentLogs service={service} />
          </Tabs.Panel>
          <Tabs.Panel value="instances">
            <Instances service={service} />
          </Tabs.Panel>
          <Tabs.Panel value="releases">
            <Releases service={service} />
          </Tabs.Panel>
        </Tabs>
      </Panel>
    </Page>
  );
}

function LatencyMap({ q }: { q: string }): ReactNode {
  const range = useTimeRange();
  const heat = useGet(...heatAsk(q, range.query));
  return (
    <Panel title="Latency" side="all spans" flush>
      <QueryView query={heat}>
        {(data) => (
          <Heatmap
            cells={cellsOf(data)}
            label={`Spans by time and duration: ${exactPlural(data.total_count, "span")}`}
            format={durationMs}
            describe={(spans, failed) => `${plural(spans, "span")}${failed > 0 ? `, ${plural(failed, "error")}` : ""}`}
            note="The stronger the colour, the more spans; red where some failed."
            onZoom={range.zoom}
          />
        )}
      </QueryView>
    </Panel>
  );
}

function cellsOf(data: Schemas["Heatmap"]): HeatCells {
  return {
    fromMs: Date.parse(data.from),
    stepMs: data.step_seconds * 1000,
    columns: data.columns,
    rows: data.rows.map(({ lower_ms: lower, upper_ms: upper }) => ({ lower, upper })),
    cells: data.cells,
  };
}
