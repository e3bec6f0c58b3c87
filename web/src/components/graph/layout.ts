import type { ELK } from "elkjs/lib/elk-api";

export const NODE_WIDTH = 168;
export const NODE_HEIGHT = 46;

export type Places = Map<string, { x: number; y: number }>;

let engine: Promise<ELK> | null = null;

/** The layout engine in a worker of its own: two hundred services take it a second, which no page should feel. */
function elk(): Promise<ELK> {
  engine ??= Promise.all([import("elkjs/lib/elk-api"), import("elkjs/lib/elk-worker.min.js?url")]).then(
    ([{ default: Elk }, { default: workerUrl }]) => new Elk({ workerUrl }),
  );
  return engine;
}

/** Where the nodes stand. `shape` has the nodes' ids, an empty line, and `from>to` for every link, one a line. */
export async function layOut(shape: string): Promise<Places> {
  const [nodePart = "", linkPart = ""] = shape.split("\n\n");
  const ids = nodePart.split("\n").filter((id) => id !== "");
  const edges = linkPart
    .split("\n")
    .map((line) => line.split(">") as [string, string])
    .filter(([from, to]) => from !== to && ids.includes(from) && ids.includes(to));
  const found = await (await elk()).layout({
    id: "services",
    layoutOptions: {
      "elk.algorithm": "layered",
      "elk.direction": "RIGHT",
      "elk.layered.spacing.nodeNodeBetweenLayers": ids.length > 60 ? "120" : "130",
      "elk.spacing.nodeNode": "26",
      "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
      "elk.separateConnectedComponents": "true",
      "elk.aspectRatio": "1.7",
    },
    children: ids.map((id) => ({ id, width: NODE_WIDTH, height: NODE_HEIGHT })),
    edges: edges.map(([from, to], index) => ({ id: `e${index}`, sources: [from], targets: [to] })),
  });
  return new Map((found.children ?? []).map(({ id, x, y }) => [id, { x: x ?? 0, y: y ?? 0 }]));
}
