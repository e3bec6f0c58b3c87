import { Badge, NativeSelect, TextInput } from "@mantine/core";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { type Metadata, usePrometheus } from "../../api/prometheus";
import { useGet } from "../../api/use-get";
import { type Family, useFamilies } from "../../components/metrics/families";
import { MetricsNav } from "../../components/metrics/metrics-nav";
import { Empty, NothingSent } from "../../components/view/empty";
import { Page } from "../../components/view/page";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { type Column, SortableTable } from "../../components/view/sortable";
import { exactCount, plural } from "../../lib/format";
import { familyOf, firstLook } from "../../lib/promql";
import { useTimeRange } from "../../state/time-range";
import { Cardinality } from "./cardinality";
import classes from "./catalogue.module.css";
import { Details } from "./details";

const NO_METADATA: Metadata = {};
const FRESH = { freshSeconds: 30 };
const MOST_ROWS = 400;

/** Every metric with its type, help, unit and number of series. */
export function CataloguePage(): ReactNode {
  const search = useSearch({ from: "/explore/catalogue" });
  const navigate = useNavigate({ from: "/explore/catalogue" });
  const metadata = usePrometheus("metadata", {}, FRESH);
  const known = metadata.data?.data ?? NO_METADATA;
  const status = usePrometheus("status/tsdb", { limit: 100_000 }, FRESH);
  const counts = useGet("/api/v1/cardinality", { params: { query: { limit: 1000 } } }, FRESH);
  const families = useFamilies(status.data?.data, known);
  const change = (changed: Partial<typeof search>): void =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const wanted = (search.q ?? "").toLowerCase();
  const found = families.filter(
    ({ name, help, type }) =>
      `${name} ${help}`.toLowerCase().includes(wanted) && (search.type === undefined || search.type === (type || "unknown")),
  );
  const types = [...new Set(families.map(({ type }) => type || "unknown"))].toSorted();
  const head = status.data?.data.headStats;
  const open = families.find(({ name }) => name === search.metric);
  return (
    <Page
      title="Metric catalogue"
      note={head && `${plural(families.length, "metric")}, ${exactCount(head.numSeries)} series`}
      actions={<MetricsNav />}
    >
      {counts.data && counts.data.series > 0 && <Cardinality counts={counts.data} onMetric={(metric) => change({ metric: familyOf(metric, known) })} />}
      <div className={classes["filters"]}>
        <TextInput
          data-page-search
          aria-label="Find a metric"
          placeholder="Find a metric by its name or help"
          value={search.q ?? ""}
          onChange={(event) => change({ q: event.currentTarget.value === "" ? undefined : event.currentTarget.value })}
        />
        <NativeSelect
          aria-label="Type"
          w={140}
          value={search.type ?? ""}
          onChange={(event) => change({ type: event.currentTarget.value || undefined })}
          data={[{ value: "", label: "Every type" }, ...types.map((type) => ({ value: type, label: type }))]}
        />
      </div>
      <div className={classes["columns"]} data-open={open !== undefined || undefined}>
        <Panel flush label="Metrics">
          <QueryView query={status} lines={12}>
            {() =>
              families.length === 0 ? (
                <NothingSent signal="metrics" title="No metrics yet" note="Any OpenTelemetry SDK sends them; Prometheus' remote write and scraping work, too." />
              ) : found.length === 0 ? (
                <Empty title="No metric by that name" />
              ) : (
                <SortableTable
                  label="Metrics"
                  initial="name"
                  rows={found}
                  most={MOST_ROWS}
                  keyOf={({ name }) => name}
                  columns={columnsFor(open !== undefined, (metric) => change({ metric }))}
                />
              )
            }
          </QueryView>
        </Panel>
        {open && <Details family={open} onClose={() => change({ metric: undefined })} />}
      </div>
    </Page>
  );
}

function columnsFor(narrow: boolean, onOpen: (metric: string) => void): Column<Family>[] {
  const columns: Column<Family>[] = [
    {
      key: "name",
      head: "Metric",
      sort: ({ name }) => name,
      cell: ({ name, help }) => (
        <button type="button" className={classes["name"]} onClick={() => onOpen(name)}>
          <b>{name}</b>
          <small>{help}</small>
        </button>
      ),
    },
    {
      key: "type",
      head: "Type",
      sort: ({ type }) => type,
      cell: ({ type }) => <Badge color={type === "" ? "gray" : "sea"}>{type === "" ? "unknown" : type}</Badge>,
    },
    { key: "unit", head: "Unit", wideOnly: true, sort: ({ unit }) => unit, cell: ({ unit }) => <span className="dim">{unit}</span> },
    { key: "series", head: "Series", numeric: true, sort: ({ series }) => series, cell: ({ series }) => exactCount(series) },
    { key: "explore", head: "", numeric: true, cell: (family) => <Explore family={family} /> },
  ];
  return narrow ? columns.filter(({ key }) => key !== "unit") : columns;
}

/** Leads to what one would ask of the metric first. */
function Explore({ family }: { family: Family }): ReactNode {
  const range = useTimeRange();
  const expression = firstLook(family.name, family.type, family.names, range.toMs - range.fromMs);
  return (
    <Link to="/explore" search={{ q: [expression] }} aria-label={`Explore ${family.name}`}>
      explore
    </Link>
  );
}
