import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { Empty } from "../../components/view/empty";
import { ServiceName } from "../../components/view/service-name";
import { When } from "../../components/view/when";
import type { TraceModel } from "./model";
import classes from "./trace.module.css";
import logs from "./trace-logs.module.css";

/** The log lines that carry the trace's id, oldest first. */
export function TraceLogs(props: {
  trace: TraceModel;
  lines: Schemas["LogLine"][];
  onSpan: (span: number) => void;
}): ReactNode {
  const { trace, lines, onSpan } = props;
  if (lines.length === 0) {
    return <Empty title="No log line carries this trace's id">Log handlers of OpenTelemetry put it on every line.</Empty>;
  }
  return (
    <div className={classes["scroll"]}>
      <ol className={logs["lines"]} aria-label="Log lines of the trace">
        {lines.map((line) => {
          const span = line.span_id ? trace.indexOf.get(line.span_id) : undefined;
          const text = typeof line.body === "string" ? line.body : JSON.stringify(line.body);
          return (
            <li key={line.id}>
              <span className="dim">
                <When time={line.time} fraction clockOnly />
              </span>
              <span className={classes["severity"]} data-severity={line.severity}>
                {line.severity}
              </span>
              <ServiceName service={line.service} />
              {span === undefined ? (
                <span>{text}</span>
              ) : (
                <button type="button" onClick={() => onSpan(span)} title="Show the span">
                  {text}
                </button>
              )}
            </li>
          );
        })}
      </ol>
      <p className={logs["more"]}>
        <Link to="/logs" search={(before) => ({ ...before, q: `trace_id:${trace.traceId}` })}>
          Open in Logs
        </Link>
      </p>
    </div>
  );
}
