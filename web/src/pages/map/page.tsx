import { TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useMemo, useState } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import type { GraphLink, GraphNode } from "../../components/graph/flow-graph";
import { Graph } from "../../components/graph/graph";
import { NothingSent } from "../../components/view/empty";
import { Page } from "../../components/view/page";
import { QueryView } from "../../components/view/query-view";
import { durationMs, plural, rate, share } from "../../lib/format";
import { toneOf } from "../../lib/health";
import { useTimeRange } from "../../state/time-range";
import classes from "./map.module.css";

export function MapPage(): ReactNode {
  const range = useTimeRange();
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const edges = useGet("/api/v1/service-map", { params: { query: range.query } });
  const services = useGet("/api/v1/services", { params: { query: range.query } });
  const links = useMemo(() => (edges.data?.edges ?? []).map(linkOf), [edges.data]);
  const nodes = useMemo(
    () => nodesOf(services.data?.services ?? [], edges.data?.edges ?? []),
    [services.data, edges.data],
  );
  return (
    <Page
      title="Map"
      heading="Service map"
      note={edges.data && services.data ? `${plural(nodes.length, "node")}, ${plural(links.length, "call")}` : undefined}
      actions={
        <TextInput
          data-page-search
          aria-label="Find services"
          placeholder="Find a service"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
      }
    >
      <div className={classes["canvas"]}>
        <QueryView query={edges}>
          {() =>
            nodes.length === 0 && services.data !== undefined ? (
              <NothingSent title="No service has sent a span in this range" note="This sends some:" />
            ) : (
              <Graph
                nodes={nodes}
                links={links}
                highlight={typed}
                label="Service map"
                onNode={(id) => {
                  if (id.includes("\u0000")) return;
                  void navigate({ to: "/services/$service", params: { service: id } });
                }}
              />
            )
          }
        </QueryView>
      </div>
    </Page>
  );
}

type Edge = Schemas["EdgeFigures"];

/** A database of a service's own name, or a queue, is no service: it has an id of its own. */
function targetOf(edge: Edge): string {
  return edge.connection_type === "database" ? `${edge.server}\u0000database` : edge.server;
}

function linkOf(edge: Edge): GraphLink {
  return {
    from: edge.client,
    to: targetOf(edge),
    note: `${rate(edge.rate)}${edge.error_count > 0 ? ` · ${share(edge.error_rate)} err` : ""}\n${durationMs(edge.p95_ms)}`,
    tone: toneOf(edge),
    weight: edge.request_count,
  };
}

function nodesOf(services: Schemas["ServiceFigures"][], edges: Edge[]): GraphNode[] {
  const nodes = new Map<string, GraphNode>();
  for (const figures of services) {
    nodes.set(figures.service, {
      id: figures.service,
      label: figures.service,
      note: `${rate(figures.rate)} · ${share(figures.error_rate)} err · ${durationMs(figures.p95_ms)}`,
      tone: toneOf(figures),
    });
  }
  for (const edge of edges) {
    const target = targetOf(edge);
    if (!nodes.has(target)) {
      nodes.set(target, {
        id: target,
        label: edge.server,
        note: edge.connection_type === "call" ? "sends no spans" : edge.connection_type,
        tone: "calm",
        passive: true,
      });
    }
    if (!nodes.has(edge.client)) {
      nodes.set(edge.client, { id: edge.client, label: edge.client, note: "", tone: "calm", passive: true });
    }
  }
  return [...nodes.values()];
}
