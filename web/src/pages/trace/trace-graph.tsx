import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { Graph } from "../../components/graph/graph";
import { durationNs, plural } from "../../lib/format";
import { serviceGraph, type TraceModel } from "./model";

/** Which services took part, and who called whom. */
export function TraceGraph({ trace }: { trace: TraceModel }): ReactNode {
  const navigate = useNavigate();
  const links = useMemo(
    () =>
      serviceGraph(trace).map((edge) => ({
        from: edge.client,
        to: edge.server,
        note: `${plural(edge.calls, "call")}${edge.errors > 0 ? `, ${plural(edge.errors, "error")}` : ""}\n${durationNs(edge.totalNs)}`,
        tone: edge.errors > 0 ? ("error" as const) : ("calm" as const),
        weight: edge.calls,
      })),
    [trace],
  );
  const nodes = useMemo(
    () =>
      trace.services.map((share) => ({
        id: share.service,
        label: share.service,
        note: `${plural(share.spans, "span")}, self ${durationNs(share.selfNs)}`,
        tone: share.errors > 0 ? ("error" as const) : ("calm" as const),
      })),
    [trace],
  );
  return (
    <Graph
      nodes={nodes}
      links={links}
      label="Services of the trace"
      onNode={(service) => void navigate({ to: "/services/$service", params: { service } })}
    />
  );
}
