import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { ServiceDot } from "../../components/view/service-name";
import { When } from "../../components/view/when";
import { durationNs, plural } from "../../lib/format";
import { usePainted } from "../../lib/use-painted";
import classes from "./traces.module.css";

const SERVICES_SHOWN = 5;
/** As many as a window has room for: they are shown first, and the others when these are painted. */
const FIRST_TRACES = 30;
/** About the height of one on a wide window, which keeps the place of those that wait. */
const TRACE_HEIGHT = 45;

/** Found traces, one a line. */
export function TraceList({ traces }: { traces: Schemas["TraceSummary"][] }): ReactNode {
  const longest = Math.max(1, ...traces.map((trace) => trace.duration_ns));
  const waiting = !usePainted() && traces.length > FIRST_TRACES;
  return (
    <ol
      className={classes["list"]}
      aria-label="Traces"
      aria-busy={waiting || undefined}
      style={waiting ? { minHeight: traces.length * TRACE_HEIGHT } : undefined}
    >
      {(waiting ? traces.slice(0, FIRST_TRACES) : traces).map((trace) => (
        <li key={trace.trace_id}>
          <Link
            to="/traces/$traceId"
            params={{ traceId: trace.trace_id }}
            search={(before) => ({ from: before.from, to: before.to, tenant: before.tenant })}
            preload={false}
            className={classes["trace"]}
          >
            <span className="dim">
              <When time={trace.start_time} />
            </span>
            <span className={classes["what"]}>
              <div>
                {trace.root_service || trace.services[0]} <b>{trace.root_name || trace.matched_spans[0]?.name || "…"}</b>
              </div>
              <span className={classes["dots"]}>
                {trace.services.slice(0, SERVICES_SHOWN).map((service) => (
                  <span key={service}>
                    <ServiceDot service={service} />
                    {service}
                  </span>
                ))}
                {trace.services.length > SERVICES_SHOWN && <span>+{trace.services.length - SERVICES_SHOWN}</span>}
              </span>
            </span>
            <span className={classes["length"]}>
              {durationNs(trace.duration_ns)}
              <i
                style={{ width: `${(trace.duration_ns / longest) * 100}%` }}
                data-failed={trace.error_count > 0 || undefined}
              />
            </span>
            <span className="num dim">{plural(trace.span_count, "span")}</span>
            <span className="num error-text">{trace.error_count > 0 ? plural(trace.error_count, "error") : ""}</span>
          </Link>
        </li>
      ))}
    </ol>
  );
}
