import { CloseButton } from "@mantine/core";
import { IconFilter } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { Copy } from "../../components/view/copy";
import { iconButton } from "../../components/view/icon-button";
import { Pairs } from "../../components/view/pairs";
import { QueryView } from "../../components/view/query-view";
import { ServiceName } from "../../components/view/service-name";
import { durationNs } from "../../lib/format";
import { attributeCondition, condition } from "../../lib/query-text";
import { at, type TraceModel } from "./model";
import classes from "./trace.module.css";
import { offsetNs } from "./waterfall";

type Span = Schemas["SpanDetail"];

const SQL_KEYS = ["db.query.text", "db.statement"] as const;

/** Everything that is known of one span. */
export function SpanDrawer(props: { trace: TraceModel; span: number; onClose: () => void }): ReactNode {
  const { trace, span, onClose } = props;
  const { columns } = trace;
  const spanId = at(columns.span_id, span);
  const query = useGet(
    "/api/v1/traces/{trace_id}/spans/{span_id}",
    { params: { path: { trace_id: trace.traceId, span_id: spanId } } },
    { keep: false },
  );
  return (
    <aside className={classes["drawer"]} aria-label="Span">
      <div className={classes["drawerHead"]}>
        <div>
          <ServiceName service={at(columns.service, span)} link />
          <h2>{at(columns.name, span)}</h2>
          <span className="dim">
            {durationNs(at(columns.duration_ns, span))} · self {durationNs(at(trace.selfNs, span))} · starts at{" "}
            {durationNs(at(columns.start_ns, span))} · {at(columns.kind, span)}
            {columns.status[span] === "error" && <span className="error-text"> · error</span>}
          </span>
        </div>
        <CloseButton onClick={onClose} aria-label="Close the span" />
      </div>
      <QueryView query={query}>{(data) => <Details span={data} trace={trace} />}</QueryView>
    </aside>
  );
}

function Details({ span, trace }: { span: Span; trace: TraceModel }): ReactNode {
  const sql = SQL_KEYS.map((key) => span.attributes[key]).find((value) => typeof value === "string");
  const exceptions = span.events.filter((event) => event.name === "exception");
  const others = span.events.filter((event) => event.name !== "exception");
  return (
    <>
      {span.status_message !== "" && (
        <div className={classes["part"]}>
          <h3>Status</h3>
          <span className={span.status === "error" ? "error-text" : undefined}>{span.status_message}</span>
        </div>
      )}
      {exceptions.map((event, index) => (
        <ExceptionPart key={index} attributes={event.attributes} />
      ))}
      {typeof sql === "string" && <SqlPart sql={sql} system={String(span.attributes["db.system.name"] ?? "")} />}
      <div className={classes["part"]}>
        <h3>Attributes</h3>
        <Pairs pairs={span.attributes} actions={searchable("")} />
      </div>
      {others.length > 0 && (
        <div className={classes["part"]}>
          <h3>Events</h3>
          {others.map((event, index) => (
            <div key={index} className={classes["event"]}>
              <div className={classes["eventHead"]}>
                <span>{event.name}</span>
                <span className="dim">at {durationNs(offsetNs(event.time, trace))}</span>
              </div>
              <Pairs pairs={event.attributes} />
            </div>
          ))}
        </div>
      )}
      {span.links.length > 0 && (
        <div className={classes["part"]}>
          <h3>Links</h3>
          {span.links.map((link, index) => (
            <div key={index} className={classes["event"]}>
              <Link
                to="/traces/$traceId"
                params={{ traceId: link.trace_id }}
                search={(before) => ({ ...before, span: link.span_id })}
                className="mono"
              >
                {link.trace_id.slice(0, 16)}… / {link.span_id}
              </Link>
              <Pairs pairs={link.attributes} />
            </div>
          ))}
        </div>
      )}
      <div className={classes["part"]}>
        <details open>
          <summary>Resource</summary>
          <Pairs pairs={span.resource} actions={searchable("resource.")} />
        </details>
      </div>
      <div className={classes["part"]}>
        <h3>Identity</h3>
        <Pairs
          pairs={{
            trace_id: span.trace_id,
            span_id: span.span_id,
            ...(span.parent_span_id === null ? {} : { parent_span_id: span.parent_span_id }),
            start: span.start_time,
            scope: `${span.scope.name} ${span.scope.version}`.trim(),
            ...(span.trace_state === "" ? {} : { trace_state: span.trace_state }),
          }}
         
        />
        <Link to="/logs" search={(before) => ({ ...before, q: `span_id:${span.span_id}` })}>
          Logs of this span
        </Link>
      </div>
      <Dropped span={span} />
    </>
  );
}

function Dropped({ span }: { span: Span }): ReactNode {
  const lost = (["attributes", "events", "links"] as const)
    .map((what) => [what, span[`dropped_${what}`]] as const)
    .filter(([, n]) => n > 0);
  if (lost.length === 0) return null;
  return (
    <div className={classes["part"]}>
      <span className="warn-text">
        The sender dropped {lost.map(([what, n]) => `${n} ${what}`).join(", ")} of this span.
      </span>
    </div>
  );
}

/** Searches for the traces that have the same value at the same name; the empty prefix is that of a span's own attributes. */
function searchable(prefix: string): (name: string, value: string) => ReactNode {
  return (name, value) => (
    <Link
      className={iconButton}
      title="Find traces with this"
      aria-label={`Find traces with this ${name}`}
      to="/traces"
      search={(before) => ({
        ...before,
        q: prefix === "" ? attributeCondition(name, value) : condition(`${prefix}${name}`, value),
      })}
    >
      <IconFilter size={13} />
    </Link>
  );
}

function ExceptionPart({ attributes }: { attributes: Record<string, unknown> }): ReactNode {
  const part = (name: string): string => {
    const value = attributes[`exception.${name}`];
    return typeof value === "string" ? value : "";
  };
  const stack = part("stacktrace");
  return (
    <div className={classes["part"]}>
      <h3>Exception</h3>
      <strong className="error-text">{part("type") || "exception"}</strong>
      <div>{part("message")}</div>
      {stack !== "" && (
        <pre className={classes["stack"]} tabIndex={0} aria-label="Stack trace">
          {stack}
        </pre>
      )}
      {stack !== "" && <Copy value={stack} what="the stack trace" />}
    </div>
  );
}

const DIALECTS: Record<string, string> = {
  postgresql: "postgresql",
  mysql: "mysql",
  mariadb: "mariadb",
  sqlite: "sqlite",
  clickhouse: "clickhouse",
};

function SqlPart({ sql, system }: { sql: string; system: string }): ReactNode {
  const [formatted, setFormatted] = useState(sql);
  useEffect(() => {
    let current = true;
    void import("sql-formatter").then(({ format }) => {
      try {
        const text = format(sql, { language: (DIALECTS[system] ?? "sql") as "sql", keywordCase: "upper" });
        if (current) setFormatted(text);
      } catch {
        if (current) setFormatted(sql); // no SQL that the formatter knows: shown as it came
      }
    });
    return () => {
      current = false;
    };
  }, [sql, system]);
  return (
    <div className={classes["part"]}>
      <h3>Statement</h3>
      <pre className={classes["stack"]} tabIndex={0} aria-label="SQL statement">
        {formatted}
      </pre>
      <Copy value={sql} what="the statement" />
    </div>
  );
}
