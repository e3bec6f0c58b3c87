import type { Schemas } from "../../api/client";
import type { GraphLink, GraphNode } from "../../components/graph/flow-graph";
import { durationMs, plural, rate, share } from "../../lib/format";
import { toneOf } from "../../lib/health";

type Edge = Schemas["EdgeFigures"];
type Figures = Schemas["ServiceFigures"];

/** What a node or a line sums up. */
interface Sum {
  request_count: number;
  error_count: number;
  error_rate: number;
  rate: number;
  p95_ms: number | null;
}

export interface Picture {
  nodes: GraphNode[];
  links: GraphLink[];
}

const GROUP = "\u0000group";
const DATABASE = "\u0000database";
const PREFIX = /^([^-._/: ]+)[-._/: ]/;
/** A group of fewer is no simpler than its services. */
const FEWEST = 3;

/** The name of the group that a node stands for, if it is one. */
export function groupOf(id: string): string | null {
  return id.endsWith(GROUP) ? id.slice(0, -GROUP.length) : null;
}

export function isService(id: string): boolean {
  return !id.includes("\u0000");
}

/** A database of a service's own name, or a queue, is no service: it has an id of its own. */
function targetOf(edge: Edge): string {
  return edge.connection_type === "database" ? `${edge.server}${DATABASE}` : edge.server;
}

/** Services and calls as they are. */
export function pictureOf(services: readonly Figures[], edges: readonly Edge[]): Picture {
  return grouped(services, edges, new Map());
}

/** Groups of services by the first part of their names, except those that are open. */
export function groupsOf(services: readonly Figures[], edges: readonly Edge[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const name of new Set([...services.map(({ service }) => service), ...edges.flatMap(({ client, server }) => [client, server])])) {
    const prefix = PREFIX.exec(name)?.[1];
    if (prefix === undefined) continue;
    groups.set(prefix, [...(groups.get(prefix) ?? []), name]);
  }
  return new Map([...groups].filter(([, members]) => members.length >= FEWEST));
}

/** The picture with each group as one node; calls between two groups are one line. */
export function grouped(services: readonly Figures[], edges: readonly Edge[], groups: ReadonlyMap<string, readonly string[]>): Picture {
  const home = new Map<string, string>();
  for (const [prefix, members] of groups) for (const member of members) home.set(member, `${prefix}${GROUP}`);
  const placeOf = (id: string): string => home.get(id) ?? id;
  const sums = new Map<string, Sum>();
  for (const figures of services) add(sums, placeOf(figures.service), figures);
  const nodes = new Map<string, GraphNode>();
  for (const [id, sum] of sums) {
    const prefix = groupOf(id);
    nodes.set(id, {
      id,
      label: prefix === null ? id : `${prefix}: ${plural(groups.get(prefix)?.length ?? 0, "service")}`,
      note: `${rate(sum.rate)} · ${share(sum.error_rate)} err · ${durationMs(sum.p95_ms)}`,
      tone: toneOf(sum),
    });
  }
  const lines = new Map<string, { from: string; to: string; sum: Map<string, Sum> }>();
  for (const edge of edges) {
    const from = placeOf(edge.client);
    const to = placeOf(targetOf(edge));
    if (!nodes.has(to)) {
      const note = edge.connection_type === "call" ? "sends no spans" : edge.connection_type;
      nodes.set(to, { id: to, label: groupOf(to) ?? edge.server, note, tone: "calm", passive: true });
    }
    if (!nodes.has(from)) nodes.set(from, { id: from, label: groupOf(from) ?? edge.client, note: "", tone: "calm", passive: true });
    if (from === to && groupOf(from) !== null) continue;
    const key = `${from}>${to}`;
    const line = lines.get(key) ?? { from, to, sum: new Map() };
    add(line.sum, key, edge);
    lines.set(key, line);
  }
  const links = [...lines].map(([key, { from, to, sum }]) => linkOf(from, to, sum.get(key) as Sum));
  return { nodes: [...nodes.values()], links };
}

/** Adds figures up; of percentiles the highest stays. */
function add(sums: Map<string, Sum>, key: string, figures: Omit<Sum, "error_rate">): void {
  const before = sums.get(key);
  const requests = (before?.request_count ?? 0) + figures.request_count;
  const errors = (before?.error_count ?? 0) + figures.error_count;
  sums.set(key, {
    request_count: requests,
    error_count: errors,
    error_rate: requests === 0 ? 0 : errors / requests,
    rate: (before?.rate ?? 0) + figures.rate,
    p95_ms: before === undefined || before.p95_ms === null ? figures.p95_ms : Math.max(before.p95_ms, figures.p95_ms ?? 0),
  });
}

function linkOf(from: string, to: string, sum: Sum): GraphLink {
  return {
    from,
    to,
    note: `${rate(sum.rate)}${sum.error_count > 0 ? ` · ${share(sum.error_rate)} err` : ""}\n${durationMs(sum.p95_ms)}`,
    tone: toneOf(sum),
    weight: sum.request_count,
  };
}

/** The nodes that a text finds, with whom they call and who calls them; a whole name finds that node alone. */
export function around({ nodes, links }: Picture, text: string): Picture {
  const wanted = text.trim().toLowerCase();
  const exact = nodes.filter(({ label }) => label.toLowerCase() === wanted);
  const found = new Set((exact.length > 0 ? exact : nodes.filter(({ label }) => label.toLowerCase().includes(wanted))).map(({ id }) => id));
  const kept = links.filter(({ from, to }) => found.has(from) || found.has(to));
  const near = new Set([...found, ...kept.flatMap(({ from, to }) => [from, to])]);
  return { nodes: nodes.filter(({ id }) => near.has(id)), links: kept };
}
