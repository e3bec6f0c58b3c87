import { type EdgeLabel, Graph, type GraphLabel, layout, type NodeLabel } from "@dagrejs/dagre";

export const NODE_WIDTH = 196;
export const NODE_HEIGHT = 46;

/** How far from the middle of a box's side a line may end, as a part of the side. */
const SIDE = 0.38;
/** Room between what stands there and the edge of the picture. */
const MARGIN = 24;
const NOTE_WIDTH = 112;
const NOTE_HEIGHT = 28;
const BOX_GAP = 28;
const LINE_GAP = 14;
/** Between a layer and the notes on the lines to the next one. */
const LAYER_GAP = 18;
/** No text is smaller than eleven pixels from this zoom on; what does not fit is moved about. */
const READABLE_ZOOM = 1;
const LARGEST_ZOOM = 1.2;

export interface Point {
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface Route {
  /** The line as an SVG path. */
  path: string;
  /** Middle of the note. */
  note: Point;
}

export interface Layout extends Size {
  /** Left upper corners. */
  nodes: Map<string, Point>;
  routes: Map<string, Route>;
  /** Where one begins to read: the middle of the boxes that nobody calls. */
  start: Point;
}

export interface LayoutInput {
  nodes: string[];
  /** Links by an id; a note takes room on the line. */
  links: { id: string; from: string; to: string; noted: boolean }[];
}

/** How large a picture stands in a room, and where: all of it if that can be read, else from where one begins. */
export function viewIn(room: Size, { width, height, start }: Layout): Point & { zoom: number } {
  const fitting = Math.min((room.width - 2 * MARGIN) / width, (room.height - 2 * MARGIN) / height);
  const zoom = Math.min(LARGEST_ZOOM, Math.max(READABLE_ZOOM, fitting));
  const offset = (space: number, extent: number, at: number): number => {
    const free = space - extent * zoom;
    return free >= 2 * MARGIN ? free / 2 : Math.min(MARGIN, Math.max(free - MARGIN, space / 2 - at * zoom));
  };
  return { x: offset(room.width, width, start.x), y: offset(room.height, height, start.y), zoom };
}

/** Whether a picture is larger than its room. */
export function exceeds(room: Size, { width, height }: Size): boolean {
  return width * READABLE_ZOOM > room.width - MARGIN || height * READABLE_ZOOM > room.height - MARGIN;
}

/** Where boxes, lines and notes stand: layers from left to right or downwards, whichever can be read better in the room. */
export function layOut(input: LayoutInput, room: Size): Layout {
  const found = (["LR", "TB"] as const).map((direction) => inLayers(input, direction));
  const fits = found.map(({ width, height }) => Math.min(room.width / width, room.height / height, LARGEST_ZOOM));
  const [across, down] = fits as [number, number];
  // Where all must be moved about anyway, a screen that is higher than wide is read downwards.
  const downwards = Math.max(across, down) < READABLE_ZOOM ? room.height > room.width : down > across;
  return found[downwards ? 1 : 0] as Layout;
}

function inLayers({ nodes, links }: LayoutInput, rankdir: "LR" | "TB"): Layout {
  const graph = new Graph<GraphLabel, NodeLabel, EdgeLabel>({ multigraph: true });
  graph.setGraph({ rankdir, nodesep: BOX_GAP, edgesep: LINE_GAP, ranksep: 2 * LAYER_GAP, acyclicer: "greedy" });
  for (const id of nodes) graph.setNode(id, { width: NODE_WIDTH, height: NODE_HEIGHT });
  for (const { id, from, to, noted } of links) {
    if (!graph.hasNode(from) || !graph.hasNode(to)) continue;
    const room = noted ? { width: NOTE_WIDTH, height: NOTE_HEIGHT } : { width: 0, height: 0 };
    graph.setEdge(from, to, { ...room, labelpos: "c", minlen: 1, weight: 1 }, id);
  }
  layout(graph);
  const along = rankdir === "LR" ? "x" : "y";
  const middles = new Map(nodes.map((id) => [id, pointOf(graph.node(id))]));
  const layers = new Set([...middles.values()].map((point) => Math.round(point[along])));
  const routes = new Map<string, Route>();
  for (const edge of graph.edges()) {
    const label = graph.edge(edge);
    const points = (label.points ?? []).map(pointOf);
    const ends = [middles.get(edge.v), middles.get(edge.w)] as [Point, Point];
    const path = edge.v === edge.w ? polyline(points) : flowing(points, ends, along, layers);
    routes.set(String(edge.name), { path, note: label.x === undefined ? middleOf(points) : pointOf(label) });
  }
  const whole = graph.graph();
  const first = Math.min(...[...middles.values()].map((point) => point[along]));
  const leading = [...middles.values()].filter((point) => point[along] < first + 1);
  return {
    nodes: new Map([...middles].map(([id, { x, y }]) => [id, { x: x - NODE_WIDTH / 2, y: y - NODE_HEIGHT / 2 }])),
    routes,
    width: whole.width ?? 0,
    height: whole.height ?? 0,
    start: meanOf(leading),
  };
}

function pointOf({ x = 0, y = 0 }: { x?: number | undefined; y?: number | undefined }): Point {
  return { x, y };
}

function middleOf(points: readonly Point[]): Point {
  return points[Math.floor(points.length / 2)] ?? { x: 0, y: 0 };
}

function meanOf(points: readonly Point[]): Point {
  const sum = points.reduce((total, { x, y }) => ({ x: total.x + x, y: total.y + y }), { x: 0, y: 0 });
  const count = Math.max(1, points.length);
  return { x: sum.x / count, y: sum.y / count };
}

function polyline(points: readonly Point[]): string {
  return points.map(({ x, y }, index) => `${index === 0 ? "M" : "L"}${x} ${y}`).join("");
}

/** A line that leaves and meets boxes straight, and passes a layer of boxes straight as well. */
function flowing(points: readonly Point[], [from, to]: [Point, Point], along: "x" | "y", layers: ReadonlySet<number>): string {
  const across = along === "x" ? "y" : "x";
  const [deep, wide] = along === "x" ? [NODE_WIDTH, NODE_HEIGHT] : [NODE_HEIGHT, NODE_WIDTH];
  const ahead = (Math.sign(to[along] - from[along]) || 1) * (deep / 2);
  const beside = (box: Point, point: Point | undefined): number =>
    Math.min(box[across] + SIDE * wide, Math.max(box[across] - SIDE * wide, (point ?? box)[across]));
  const inner = points.slice(1, -1);
  const start = { ...from, [along]: from[along] + ahead, [across]: beside(from, inner[0] ?? to) };
  const end = { ...to, [along]: to[along] - ahead, [across]: beside(to, inner.at(-1) ?? from) };
  const stops = inner.flatMap((point) =>
    layers.has(Math.round(point[along]))
      ? [
          { ...point, [along]: point[along] - ahead },
          { ...point, [along]: point[along] + ahead },
        ]
      : [point],
  );
  let path = `M${start.x} ${start.y}`;
  let before = start;
  for (const point of [...stops, end]) {
    const middle = (before[along] + point[along]) / 2;
    const [one, two] = [{ ...before, [along]: middle }, { ...point, [along]: middle }];
    path += `C${one.x} ${one.y} ${two.x} ${two.y} ${point.x} ${point.y}`;
    before = point;
  }
  return path;
}

const CELL_WIDTH = NODE_WIDTH + 64;
const CELL_HEIGHT = NODE_HEIGHT + 48;
const BEND = 16;

/**
 * Boxes in rows, callers before whom they call, and straight lines behind them. Where nearly everything calls
 * everything, or where there are very many, layers would be so wide or so high that no name could be read.
 */
export function inGrid({ nodes, links }: LayoutInput, room: Size): Layout {
  const depths = depthsOf(nodes, links);
  const ordered = nodes.toSorted((a, b) => (depths.get(a) ?? 0) - (depths.get(b) ?? 0));
  const across = Math.max(1, Math.round(Math.sqrt((nodes.length * (room.width / room.height) * CELL_HEIGHT) / CELL_WIDTH)));
  const places = new Map(
    ordered.map((id, index) => [id, { x: (index % across) * CELL_WIDTH, y: Math.floor(index / across) * CELL_HEIGHT }]),
  );
  const routes = new Map<string, Route>();
  for (const { id, from, to } of links) {
    const start = places.get(from);
    const end = places.get(to);
    if (start && end && from !== to) routes.set(id, straight(start, end));
  }
  return {
    nodes: places,
    routes,
    width: Math.min(nodes.length, across) * CELL_WIDTH - (CELL_WIDTH - NODE_WIDTH),
    height: Math.ceil(nodes.length / across) * CELL_HEIGHT - (CELL_HEIGHT - NODE_HEIGHT),
    start: { x: 0, y: 0 },
  };
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
function straight(start: Point, end: Point): Route {
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
