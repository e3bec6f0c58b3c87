import { Badge, Switch } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { type Target, type Targets, usePrometheus } from "../../api/prometheus";
import { FoundFilter } from "../../components/metrics/found-filter";
import { MetricsNav } from "../../components/metrics/metrics-nav";
import { CodeBlock, Empty } from "../../components/view/empty";
import { Page } from "../../components/view/page";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { type Column, SortableTable } from "../../components/view/sortable";
import { durationMs, plural } from "../../lib/format";
import { ago } from "../../lib/time";
import classes from "./targets.module.css";

const REFRESH = { freshSeconds: 5 };
const TONES = { up: "green", down: "red", unknown: "gray" } as const;
const EXAMPLE = `scrape_configs:
  - job_name: my-service
    static_configs:
      - targets: ["127.0.0.1:8000"]`;

/** What is scraped, by job, and how it went. */
export function TargetsPage(): ReactNode {
  const search = useSearch({ from: "/explore/targets" });
  const navigate = useNavigate({ from: "/explore/targets" });
  const change = (changed: Partial<typeof search>): void =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const targets = usePrometheus("targets", {}, REFRESH);
  const active = targets.data?.data.activeTargets ?? [];
  const down = active.filter(({ health }) => health === "down").length;
  return (
    <Page
      title="Targets"
      note={targets.data && `${plural(active.length, "target")}, ${down === 0 ? "none down" : `${down} down`}`}
      actions={<MetricsNav />}
    >
      <FoundFilter label="Find a target by address, label or error" text={search.q} change={(q) => change({ q })}>
        <Switch
          size="xs"
          label="Failing only"
          checked={search.failing ?? false}
          onChange={(event) => change({ failing: event.currentTarget.checked ? true : undefined })}
        />
      </FoundFilter>
      <QueryView query={targets}>
        {({ data }) =>
          data.activeTargets.length === 0 ? <NoTargets dropped={droppedOf(data)} /> : <Pools targets={data} search={search} />
        }
      </QueryView>
    </Page>
  );
}

function Pools({ targets, search }: { targets: Targets; search: { q?: string; failing?: true } }): ReactNode {
  const wanted = (search.q ?? "").toLowerCase();
  const found = targets.activeTargets.filter(
    (target) =>
      (search.failing !== true || target.health === "down") &&
      `${target.scrapeUrl} ${target.scrapePool} ${Object.values(target.labels).join(" ")} ${target.lastError}`.toLowerCase().includes(wanted),
  );
  const pools = [...new Set(found.map(({ scrapePool }) => scrapePool))].toSorted();
  if (pools.length === 0) return <Empty title="No target matches" />;
  return <div className={classes["stack"]}>{pools.map((pool) => {
    const own = found.filter(({ scrapePool }) => scrapePool === pool);
    const up = own.filter(({ health }) => health === "up").length;
    const dropped = targets.droppedTargetCounts[pool] ?? 0;
    return (
      <Panel
        key={pool}
        flush
        title={pool}
        side={`${up} of ${own.length} up${dropped > 0 ? `, ${dropped} dropped by relabeling` : ""}`}
      >
        <SortableTable
          label={`Targets of ${pool}`}
          initial="health"
          rows={own}
          keyOf={({ scrapeUrl, labels }) => `${scrapeUrl} ${JSON.stringify(labels)}`}
          columns={COLUMNS}
        />
      </Panel>
    );
  })}</div>;
}

const COLUMNS: Column<Target>[] = [
  {
    key: "health",
    head: "State",
    sort: ({ health }) => health,
    cell: ({ health }) => <Badge color={TONES[health]}>{health}</Badge>,
  },
  {
    key: "url",
    head: "Address",
    sort: ({ scrapeUrl }) => scrapeUrl,
    cell: ({ scrapeUrl, lastError }) => (
      <>
        <span className={classes["url"]}>{scrapeUrl}</span>
        {lastError !== "" && <div className="error-text">{lastError}</div>}
      </>
    ),
  },
  {
    key: "labels",
    head: "Labels",
    wideOnly: true,
    cell: ({ labels, discoveredLabels }) => (
      <span
        className={classes["labels"]}
        title={Object.entries(discoveredLabels)
          .map(([name, value]) => `${name}=${value}`)
          .join("\n")}
      >
        {Object.entries(labels).map(([name, value]) => (
          <span key={name}>
            <span className="dim">{name}=</span>
            {value}
          </span>
        ))}
      </span>
    ),
  },
  {
    key: "last",
    head: "Last scrape",
    numeric: true,
    sort: ({ lastScrape }) => -Date.parse(lastScrape),
    cell: ({ lastScrape, lastScrapeDuration, scrapeInterval }) => (
      <span title={`every ${scrapeInterval}`}>
        {lastScrape.startsWith("0001") ? "not yet" : ago(Date.parse(lastScrape), Date.now())}
        <div className="dim">{lastScrape.startsWith("0001") ? "" : `took ${durationMs(lastScrapeDuration * 1000)}`}</div>
      </span>
    ),
  },
];

function droppedOf({ droppedTargetCounts, droppedTargets }: Targets): number {
  return Math.max(
    droppedTargets.length,
    Object.values(droppedTargetCounts).reduce((sum, count) => sum + count, 0),
  );
}

function NoTargets({ dropped }: { dropped: number }): ReactNode {
  return (
    <Panel>
      <Empty title="Nothing is scraped for this tenant">
        {dropped > 0 && `${plural(dropped, "discovered target")} were dropped by relabeling. `}
        Start the server with <code>--scrape-config FILE</code>, a configuration as Prometheus has it:
        <div className={classes["example"]}>
          <CodeBlock text={EXAMPLE} what="the example" />
        </div>
      </Empty>
    </Panel>
  );
}
