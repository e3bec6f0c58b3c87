import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useGet } from "../../api/use-get";
import { Empty } from "../../components/view/empty";
import { QueryView } from "../../components/view/query-view";
import { When } from "../../components/view/when";
import { useTimeRange } from "../../state/time-range";
import classes from "./service.module.css";

/** The newest log lines of the service. */
export function RecentLogs({ service }: { service: string }): ReactNode {
  const range = useTimeRange();
  const logs = useGet("/api/v1/logs", { params: { query: { ...range.query, q: `service:"${service}"`, limit: 50 } } });
  return (
    <QueryView query={logs}>
      {(data) =>
        data.logs.length === 0 ? (
          <Empty title="No log line of this service in this range" />
        ) : (
          <ol className={classes["lines"]} aria-label="Recent log lines">
            {data.logs.map((line) => (
              <li key={line.id}>
                <span className="dim">
                  <When time={line.time} />
                </span>
                <span className={classes["severity"]} data-severity={line.severity}>
                  {line.severity}
                </span>
                <span>{typeof line.body === "string" ? line.body : JSON.stringify(line.body)}</span>
                {line.trace_id ? (
                  <Link to="/traces/$traceId" params={{ traceId: line.trace_id }} preload={false}>
                    trace
                  </Link>
                ) : (
                  <span />
                )}
              </li>
            ))}
          </ol>
        )
      }
    </QueryView>
  );
}
