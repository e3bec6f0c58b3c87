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
