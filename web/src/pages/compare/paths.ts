import { at, type TraceModel } from "../trace/model";

/** What one trace has of a path: its spans, and the time that they took together. */
export interface PathSide {
  spans: number;
  errors: number;
  totalNs: number;
  selfNs: number;
}

/** Spans of both traces that were called in the same way: the same operations from the root on. */
export interface Path {
  /** Its place among all paths. */
  id: number;
  service: string;
  name: string;
  depth: number;
  a: PathSide | null;
  b: PathSide | null;
  /** How many paths begin with this one, itself included. */
  size: number;
}

interface Node {
  service: string;
  name: string;
  sides: [PathSide | null, PathSide | null];
  /** When the first of its spans began after the beginning of the span that called it. */
  afterNs: number;
  children: Node[];
}

/** The trees of two traces laid over each other, in the order of a walk: what was called comes below what called it. */
export function comparedPaths(a: TraceModel, b: TraceModel): Path[] {
  const root: Node = { service: "", name: "", sides: [null, null], afterNs: 0, children: [] };
  const known = new Map<Node, Map<string, Node>>();
  for (const [side, trace] of [a, b].entries()) add(root, known, trace, side as 0 | 1);
  const rows: Path[] = [];
  const open: { node: Node; depth: number }[] = [{ node: root, depth: -1 }];
  while (open.length > 0) {
    const { node, depth } = open.pop() as { node: Node; depth: number };
    if (depth >= 0) {
      const [first, second] = node.sides;
      rows.push({ id: rows.length, service: node.service, name: node.name, depth, a: first, b: second, size: 1 });
    }
    // The stack gives them back in the other order.
    const children = node.children.toSorted((x, y) => x.afterNs - y.afterNs).toReversed();
    for (const child of children) open.push({ node: child, depth: depth + 1 });
  }
  addSizes(rows);
  return rows;
}

function add(root: Node, known: Map<Node, Map<string, Node>>, trace: TraceModel, side: 0 | 1): void {
  const { order, parent, selfNs, columns } = trace;
  const nodeOf: Node[] = [];
  for (const span of order) {
    const p = at(parent, span);
    const above = p === -1 ? root : at(nodeOf, p);
    const start = at(columns.start_ns, span);
    const node = childOf(above, known, at(columns.service, span), at(columns.name, span));
    node.afterNs = Math.min(node.afterNs, p === -1 ? start : start - at(columns.start_ns, p));
    const own = (node.sides[side] ??= { spans: 0, errors: 0, totalNs: 0, selfNs: 0 });
    own.spans += 1;
    own.totalNs += at(columns.duration_ns, span);
    own.selfNs += at(selfNs, span);
    if (columns.status[span] === "error") own.errors += 1;
    nodeOf[span] = node;
  }
}

function childOf(above: Node, known: Map<Node, Map<string, Node>>, service: string, name: string): Node {
  let children = known.get(above);
  if (children === undefined) known.set(above, (children = new Map()));
  const key = `${service}\0${name}`;
  let found = children.get(key);
  if (found === undefined) {
    found = { service, name, sides: [null, null], afterNs: Number.POSITIVE_INFINITY, children: [] };
    children.set(key, found);
    above.children.push(found);
  }
  return found;
}

/** Rows are in the order of a walk: each stands below the last one that is less deep. */
function addSizes(rows: Path[]): void {
  const last: Path[] = [];
  const parents = rows.map((row) => {
    last[row.depth] = row;
    return last[row.depth - 1];
  });
  for (let i = rows.length - 1; i >= 0; i -= 1) {
    const parent = parents[i];
    if (parent !== undefined) parent.size += at(rows, i).size;
  }
}

/** The rows that are shown: none below a path that is folded. */
export function visiblePaths(paths: readonly Path[], folded: ReadonlySet<number>): Path[] {
  const rows: Path[] = [];
  for (let i = 0; i < paths.length; i += 1) {
    const path = at(paths, i);
    rows.push(path);
    if (folded.has(path.id)) i += path.size - 1;
  }
  return rows;
}

/** How a path differs: what only one trace has, and how many spans more or fewer the second one has. */
export function differenceOf({ a, b }: Path): { kind: "first" | "second" | "more" | "fewer" | "same"; text: string } {
  if (b === null) return { kind: "first", text: "only in the first" };
  if (a === null) return { kind: "second", text: "only in the second" };
  if (a.spans === b.spans) return { kind: "same", text: "" };
  return b.spans > a.spans ? { kind: "more", text: `${b.spans - a.spans} more` } : { kind: "fewer", text: `${a.spans - b.spans} fewer` };
}
