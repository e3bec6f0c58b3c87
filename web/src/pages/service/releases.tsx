import { Badge, NativeSelect } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { Empty } from "../../components/view/empty";
import { ErrorShare } from "../../components/view/error-share";
import { QueryView } from "../../components/view/query-view";
import { type Column, SortableTable } from "../../components/view/sortable";
import { When } from "../../components/view/when";
import { change, durationMs, exactCount, rate, share } from "../../lib/format";
import { useTimeRange } from "../../state/time-range";
import classes from "./service.module.css";

type Figures = Schemas["ReleaseFigures"];

/** The versions that ran, and one against another. */
export function Releases({ service }: { service: string }): ReactNode {
  const range = useTimeRange();
  const search = useSearch({ from: "/services/$service" });
  const releases = useGet("/api/v1/services/{service}/releases", { params: { path: { service }, query: range.query } });
  return (
    <QueryView query={releases}>
      {(data) => {
        const [newest, former] = data.releases;
        const target = search.release ?? newest?.version;
        const base = search.base ?? former?.version;
        if (target === undefined) {
          return <Empty title="No span names its version">Set service.version in the resource.</Empty>;
        }
        return (
          <>
            <SortableTable
              rows={data.releases}
              columns={RELEASE_COLUMNS}
              keyOf={(row) => row.version}
              initial="first"
              label="Releases"
            />
            {base === undefined ? (
              <Empty title="Only one version ran in this range">A longer range may have the one before.</Empty>
            ) : (
              <Comparison
                service={service}
                base={base}
                target={target}
                versions={[...new Set([...data.releases.map(({ version }) => version), base, target])]}
              />
            )}
          </>
        );
      }}
    </QueryView>
  );
}

function Comparison(props: { service: string; base: string; target: string; versions: string[] }): ReactNode {
  const { service, base, target, versions } = props;
  const range = useTimeRange();
  const navigate = useNavigate({ from: "/services/$service" });
  const comparison = useGet("/api/v1/services/{service}/releases/compare", {
    params: { path: { service }, query: { ...range.query, base, target } },
  });
  const choose = (changed: { base?: string; release?: string }): void =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  return (
    <>
      <div className={classes["choose"]}>
        <span>Release</span>
        <NativeSelect
          w={130}
          aria-label="Release"
          data={versions}
          value={target}
          onChange={(event) => choose({ release: event.currentTarget.value })}
        />
        <span>against</span>
        <NativeSelect
          w={130}
          aria-label="Release to compare with"
          data={versions}
          value={base}
          onChange={(event) => choose({ base: event.currentTarget.value })}
        />
      </div>
      <QueryView query={comparison}>
        {(data) => (
          <>
            <SortableTable
              rows={data.operations}
              columns={OPERATION_COLUMNS}
              keyOf={(row) => `${row.name}\0${row.kind}`}
              initial="requests"
              label="Operations under both releases"
            />
            {data.errors.length > 0 && (
              <SortableTable
                rows={data.errors}
                columns={ERROR_COLUMNS}
                keyOf={(row) => `${row.kind}\0${row.message}\0${row.operation}`}
                initial="target"
                label="Errors under both releases"
              />
            )}
          </>
        )}
      </QueryView>
    </>
  );
}

const RELEASE_COLUMNS: Column<Schemas["Release"]>[] = [
  {
    key: "version",
    head: "Version",
    sort: (row) => row.version,
    cell: (row) => (
      <>
        {row.version} {row.is_new && <Badge>new</Badge>}
      </>
    ),
  },
  { key: "first", head: "First seen", sort: (row) => Date.parse(row.first_seen), cell: (row) => <When time={row.first_seen} /> },
  { key: "last", head: "Last seen", wideOnly: true, sort: (row) => Date.parse(row.last_seen), cell: (row) => <When time={row.last_seen} /> },
  { key: "instances", head: "Instances", numeric: true, wideOnly: true, sort: (row) => row.instance_count, cell: (row) => exactCount(row.instance_count) },
  { key: "rate", head: "Rate", numeric: true, sort: (row) => row.rate, cell: (row) => rate(row.rate) },
  { key: "errors", head: "Errors", numeric: true, sort: (row) => row.error_rate, cell: (row) => <ErrorShare figures={row} /> },
  { key: "p95", head: "p95", numeric: true, sort: (row) => row.p95_ms, cell: (row) => durationMs(row.p95_ms) },
];

function both(
  row: Schemas["OperationChange"],
  of: (figures: Figures) => number,
  format: (value: number) => string,
): ReactNode {
  const { base, target } = row;
  return (
    <>
      <span className="dim">{base ? format(of(base)) : "–"} → </span>
      {target ? format(of(target)) : "–"}
    </>
  );
}

const OPERATION_COLUMNS: Column<Schemas["OperationChange"]>[] = [
  { key: "name", head: "Operation", sort: (row) => row.name, cell: (row) => row.name },
  {
    key: "requests",
    head: "Requests",
    numeric: true,
    sort: (row) => row.target?.request_count ?? 0,
    cell: (row) => both(row, (figures) => figures.rate, rate),
  },
  { key: "errors", head: "Errors", numeric: true, sort: (row) => row.target?.error_rate ?? 0, cell: (row) => both(row, (figures) => figures.error_rate, share) },
  { key: "p50", head: "p50", numeric: true, wideOnly: true, sort: (row) => row.target?.p50_ms ?? 0, cell: (row) => both(row, (figures) => figures.p50_ms, durationMs) },
  { key: "p95", head: "p95", numeric: true, sort: (row) => row.target?.p95_ms ?? 0, cell: (row) => both(row, (figures) => figures.p95_ms, durationMs) },
  {
    key: "change",
    head: "p95 change",
    numeric: true,
    sort: (row) => (row.base && row.target && row.base.p95_ms > 0 ? row.target.p95_ms / row.base.p95_ms : null),
    cell: (row) => {
      if (!row.base) return <Badge>new</Badge>;
      if (!row.target) return <span className="dim">gone</span>;
      const worse = row.target.p95_ms > row.base.p95_ms * 1.25;
      return <span className={worse ? "warn-text" : "dim"}>{change(row.target.p95_ms, row.base.p95_ms)}</span>;
    },
  },
];

const ERROR_COLUMNS: Column<Schemas["ErrorChange"]>[] = [
  {
    key: "kind",
    head: "Error",
    sort: (row) => row.kind,
    cell: (row) => (
      <>
        <span className="error-text">{row.kind}</span>
        <div className="dim">{row.message}</div>
      </>
    ),
  },
  { key: "operation", head: "Operation", wideOnly: true, sort: (row) => row.operation, cell: (row) => row.operation },
  { key: "base", head: "Before", numeric: true, sort: (row) => row.base_count, cell: (row) => exactCount(row.base_count) },
  { key: "target", head: "Now", numeric: true, sort: (row) => row.target_count, cell: (row) => exactCount(row.target_count) },
];
