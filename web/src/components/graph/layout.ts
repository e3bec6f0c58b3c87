import type { ELK, ElkExtendedEdge, ElkPoint } from "elkjs/lib/elk-api";

export const NODE_WIDTH = 176;
export const NODE_HEIGHT = 46;

const NOTE_WIDTH = 96;
const NOTE_HEIGHT = 30;
const CORNER = 8;

export interface Route {
  /** The line as an SVG path. */
  path: string;
  /** Middle of the note; null without one. */
  note: { x: number; y: number } | null;
}

export interface Layout {
  nodes: Map<string, { x: number; y: number }>;
  routes: Map<string, Route>;
}

export interface LayoutInput {
  nodes: string[];
  /** Links by an id; a note takes room on the line. */
  links: { id: string; from: string; to: string; noted: boolean }[];
}

let engine: Promise<ELK> | null = null;

/** The layout engine in a worker of its own: two hundred services take it a second, which no page should feel. */
function elk(): Promise<ELK> {
  engine ??= Promise.all([import("elkjs/lib/elk-api"), import("elkjs/lib/elk-worker.min.js?url")]).then(
    ([{ default: Elk }, { default: workerUrl }]) => new Elk({ workerUrl }),
  );
  return engine;
}

/** Where boxes, lines and notes stand: layers from left to right, no line through a box. */
export async function layOut({ nodes, links }: LayoutInput): Promise<Layout> {
  const known = new Set(nodes);
  const found = await (await elk()).layout({
    id: "services",
    layoutOptions: {
      "elk.algorithm": "layered",
      "elk.direction": "RIGHT",
      "elk.edgeRouting": "ORTHOGONAL",
      "elk.layered.spacing.nodeNodeBetweenLayers": "40",
      "elk.layered.spacing.edgeNodeBetweenLayers": "22",
      "elk.spacing.nodeNode": "26",
      "elk.spacing.edgeNode": "18",
      "elk.spacing.edgeEdge": "12",
      "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
      "elk.edgeLabels.inline": "true",
      "elk.separateConnectedComponents": "true",
      "elk.aspectRatio": "1.7",
    },
    children: nodes.map((id) => ({ id, width: NODE_WIDTH, height: NODE_HEIGHT })),
    edges: links
      .filter(({ from, to }) => known.has(from) && known.has(to))
      .map(({ id, from, to, noted }) => ({
        id,
        sources: [from],
        targets: [to],
        labels: noted ? [{ text: "note", width: NOTE_WIDTH, height: NOTE_HEIGHT }] : [],
      })),
  });
  return {
    nodes: new Map((found.children ?? []).map(({ id, x, y }) => [id, { x: x ?? 0, y: y ?? 0 }])),
    routes: new Map((found.edges ?? []).map((edge) => [edge.id, routeOf(edge)])),
  };
}

function routeOf(edge: ElkExtendedEdge): Route {
  const points = (edge.sections ?? []).flatMap(({ startPoint, bendPoints, endPoint }) => [
    startPoint,
    ...(bendPoints ?? []),
    endPoint,
  ]);
  const label = edge.labels?.[0];
  return {
    path: rounded(points),
    note: label ? { x: (label.x ?? 0) + (label.width ?? 0) / 2, y: (label.y ?? 0) + (label.height ?? 0) / 2 } : null,
  };
}

/** A line through the points with round corners. */
function rounded(points: ElkPoint[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  let path = `M${first.x} ${first.y}`;
  let before = first;
  rest.forEach((point, index) => {
    const after = rest[index + 1];
    if (after === undefined) path += `L${point.x} ${point.y}`;
    else {
      const inward = towards(point, before);
      const outward = towards(point, after);
      path += `L${inward.x} ${inward.y}Q${point.x} ${point.y} ${outward.x} ${outward.y}`;
    }
    before = point;
  });
  return path;
}

function towards(from: ElkPoint, to: ElkPoint): ElkPoint {
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const part = Math.min(CORNER, length / 2) / length;
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
}

const CELL_WIDTH = NODE_WIDTH + 64;
const CELL_HEIGHT = NODE_HEIGHT + 48;
const BEND = 16;

/**
 * Boxes in rows, callers before whom they call, and straight lines behind them. Where nearly everything calls
 * everything, or where there are very many, layers would be so wide or so high that no name could be read.
 */
export function inGrid({ nodes, links }: LayoutInput, aspect: number): Layout {
  const depths = depthsOf(nodes, links);
  const ordered = nodes.toSorted((a, b) => (depths.get(a) ?? 0) - (depths.get(b) ?? 0));
  const across = Math.max(1, Math.round(Math.sqrt((nodes.length * aspect * CELL_HEIGHT) / CELL_WIDTH)));
  const places = new Map(
    ordered.map((id, index) => [id, { x: (index % across) * CELL_WIDTH, y: Math.floor(index / across) * CELL_HEIGHT }]),
  );
  const routes = new Map<string, Route>();
  for (const { id, from, to } of links) {
    const start = places.get(from);
    const end = places.get(to);
    if (start && end && from !== to) routes.set(id, straight(start, end));
  }
  return { nodes: places, routes };
}

/** How many calls lie at least between a node and one that nobody calls. */
function depthsOf(nodes: readonly string[], links: LayoutInput["links"]): Map<string, number> {
  const called = new Set(links.filter(({ from, to }) => from !== to).map(({ to }) => to));
  const depths = new Map(nodes.filter((id) => !called.has(id)).map((id) => [id, 0]));
  let reached = [...depths.keys()];
  for (let depth = 1; reached.length > 0; depth += 1) {
    const before = new Set(reached);
    reached = [...new Set(links.filter(({ from, to }) => before.has(from) && !depths.has(to)).map(({ to }) => to))];
    for (const id of reached) depths.set(id, depth);
  }
  return depths;
}

/** A line between two boxes, bent a little so that the one back is another. */
function straight(start: ElkPoint, end: ElkPoint): Route {
  const from = { x: start.x + NODE_WIDTH / 2, y: start.y + NODE_HEIGHT / 2 };
  const to = { x: end.x + NODE_WIDTH / 2, y: end.y + NODE_HEIGHT / 2 };
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const bend = { x: (from.x + to.x) / 2 - (dy / length) * BEND, y: (from.y + to.y) / 2 + (dx / length) * BEND };
  // The line ends where it meets the box.
  const part = Math.min(NODE_WIDTH / 2 / Math.abs(dx || 1e-9), NODE_HEIGHT / 2 / Math.abs(dy || 1e-9), 0.5);
  const tip = { x: to.x - dx * part, y: to.y - dy * part };
  return { path: `M${from.x} ${from.y}Q${bend.x} ${bend.y} ${tip.x} ${tip.y}`, note: bend };
}
