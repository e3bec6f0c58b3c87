import { Badge } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { Empty, NothingSent } from "../../components/view/empty";
import { Page } from "../../components/view/page";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { ServiceName } from "../../components/view/service-name";
import { WhenSeen } from "../../components/view/when-seen";
import { When } from "../../components/view/when";
import { change, count, durationMs, plural, share } from "../../lib/format";
import { toneOf } from "../../lib/health";
import { condition } from "../../lib/query-text";
import { useTimeRange } from "../../state/time-range";
import { overviewAsks } from "./asks";
import { Firing } from "./firing";
import { Ingest } from "./ingest";
import classes from "./overview.module.css";
import { Pulse } from "./pulse";

const SHOWN = 8;

export function OverviewPage(): ReactNode {
  const range = useTimeRange();
  const asks = overviewAsks({ ...range.query, fromMs: range.fromMs, toMs: range.toMs });
  const overview = useGet(...asks.overview);
  const trends = useGet(...asks.trends);
  const nothing = trends.data?.services.length === 0 && overview.data?.loud.length === 0;
  return (
    <Page title="Overview" note={trends.data && overview.data && headline(trends.data.services.length, overview.data)}>
      <Firing />
      {nothing ? (
        <Panel>
          <NothingSent title="Nothing has arrived in this range" note="Any OpenTelemetry SDK or collector sends it:" />
        </Panel>
      ) : (
        <>
          <Pulse />
          <div className={classes["grid"]}>
            <Part title="With errors" query={overview} of={(data) => data.unhealthy} none="No service had an error.">
              {(row) => <WithErrors key={row.service} row={row} />}
            </Part>
            <Part title="Slow" query={overview} of={(data) => data.slow} none="No operation was slow.">
              {(row) => <SlowRow key={`${row.service} ${row.operation} ${row.kind}`} row={row} />}
            </Part>
            <Part title="Loud" query={overview} of={(data) => data.loud} none="No service logged.">
              {(row) => <LoudRow key={row.service} row={row} />}
            </Part>
            <Part title="Changed" query={overview} of={(data) => byWeight(data.changes)} none="Nothing new since the time before.">
              {(row) => <ChangeRow key={`${row.type} ${row.service} ${row.version} ${row.error} ${row.message}`} row={row} />}
            </Part>
          </div>
          {overview.data && (
            <WhenSeen height={180}>
              <Ingest />
            </WhenSeen>
          )}
        </>
      )}
    </Page>
  );
}

/** What the page says at its head is what its parts count. */
function headline(services: number, { unhealthy, changes }: Schemas["Overview"]): string {
  const failing = unhealthy.filter((figures) => toneOf(figures) === "error").length;
  const fresh = changes.filter(({ type }) => type === "new_error").length;
  return [
    plural(services, "service"),
    unhealthy.length === 0 ? "none with errors" : `${unhealthy.length} with errors`,
    ...(failing > 0 ? [`${failing} failing often`] : []),
    ...(fresh > 0 ? [plural(fresh, "new kind of error", "new kinds of errors")] : []),
  ].join(", ");
}

function Part<T>(props: {
  title: string;
  query: ReturnType<typeof useGet<"/api/v1/overview">>;
  of: (data: Schemas["Overview"]) => T[];
  none: string;
  children: (row: T) => ReactNode;
}): ReactNode {
  const { title, query, of, none, children } = props;
  return (
    <Panel title={title} side={query.data && of(query.data).length > SHOWN ? `${SHOWN} of ${of(query.data).length}` : undefined} flush>
      <QueryView query={query}>
        {(data) => {
          const rows = of(data).slice(0, SHOWN);
          return rows.length === 0 ? <Empty title={none} /> : <ul className={classes["rows"]}>{rows.map(children)}</ul>;
        }}
      </QueryView>
    </Panel>
  );
}

function WithErrors({ row }: { row: Schemas["Unhealthy"] }): ReactNode {
  const tone = toneOf(row);
  return (
    <li>
      <ServiceName service={row.service} link />
      <Link
        className="plain"
        to="/services/$service"
        params={{ service: row.service }}
        search={(before) => ({ ...before, tab: "errors" as const })}
      >
        <span className={tone === "error" ? "error-text" : tone === "warn" ? "warn-text" : undefined}>{share(row.error_rate)}</span>
        <span className="dim"> of {count(row.request_count)}</span>
      </Link>
      <span className="num dim">
        {row.error_rate_before === null ? "new" : `was ${share(row.error_rate_before)}`}
      </span>
    </li>
  );
}

function SlowRow({ row }: { row: Schemas["Slow"] }): ReactNode {
  return (
    <li>
      <ServiceName service={row.service} link />
      <Link
        className="plain"
        to="/traces"
        search={(before) => ({
          ...before,
          q: `${condition("service", row.service)} ${condition("name", row.operation)}`,
          order: "slowest" as const,
        })}
      >
        {row.operation} <span className="dim">p95 {durationMs(row.p95_ms)}</span>
      </Link>
      <span className={`num ${row.ratio !== null && row.ratio > 1.5 ? "warn-text" : "dim"}`}>
        {row.p95_before_ms === null ? "new" : change(row.p95_ms, row.p95_before_ms)}
      </span>
    </li>
  );
}

function LoudRow({ row }: { row: Schemas["Loud"] }): ReactNode {
  return (
    <li>
      <ServiceName service={row.service} link />
      <Link className="plain" to="/logs" search={(before) => ({ ...before, q: condition("service", row.service) })}>
        {plural(row.lines, "line")}
        {row.error_lines > 0 && <span className="error-text"> {plural(row.error_lines, "error")}</span>}
      </Link>
      <span className="num dim">{change(row.lines, row.lines_before)}</span>
    </li>
  );
}

const CHANGES = ["new_error", "deployment", "new_service"] as const;
/** How many of each are shown where there are more of all than have room. */
const SHARES = { new_error: 3, deployment: 3, new_service: 2 } as const;
const CHANGE_NAMES = { new_error: "new error", deployment: "release", new_service: "new service" } as const;

/** New errors first, then releases and new services, each the newest first, and some of each among those that are shown. */
function byWeight(changes: Schemas["Change"][]): Schemas["Change"][] {
  const parts = CHANGES.map((type) => ({ own: changes.filter((change) => change.type === type), most: SHARES[type] }));
  const wanted = [...parts.flatMap(({ own, most }) => own.slice(0, most)), ...parts.flatMap(({ own, most }) => own.slice(most))];
  const shown = new Set(wanted.slice(0, SHOWN));
  const ordered = parts.flatMap(({ own }) => own);
  return [...ordered.filter((change) => shown.has(change)), ...ordered.filter((change) => !shown.has(change))];
}

function ChangeRow({ row }: { row: Schemas["Change"] }): ReactNode {
  return (
    <li>
      <ServiceName service={row.service} link />
      <span>
        <Badge color={row.type === "new_error" ? "red" : "sea"}>{CHANGE_NAMES[row.type]}</Badge>{" "}
        {row.type === "deployment" && (
          <Link
            className="plain"
            to="/services/$service"
            params={{ service: row.service }}
            search={(before) => ({ ...before, tab: "releases" as const, release: row.version })}
          >
            {row.version}
          </Link>
        )}
        {row.type === "new_service" && <span className="dim">{row.version}</span>}
        {row.type === "new_error" && (
          <Link className="plain" to="/traces/$traceId" params={{ traceId: row.trace_id }} preload={false}>
            {row.error} <span className="dim">{row.message}</span>
          </Link>
        )}
      </span>
      <span className="num dim">
        <When time={row.time} clockOnly />
      </span>
    </li>
  );
}
