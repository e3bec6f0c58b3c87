import type { Schemas } from "../../api/client";

type Columns = Schemas["TraceOutline"]["columns"];

/** One trace, laid out as a tree. Spans are known by their index in the order of their start. */
export interface TraceModel {
  traceId: string;
  /** Nanoseconds since 1970; a bigint, because a double loses the last digits. */
  startUnixNs: bigint;
  size: number;
  columns: Columns;
  /** Index of the parent; -1 for a root, and for a span whose parent is not in the trace. */
  parent: Int32Array;
  /** Whether the span names a parent that is not in the trace. */
  orphan: Uint8Array;
  depth: Uint16Array;
  /** Children of span i are `children[childStart[i] … childStart[i + 1]]`, by start. */
  childStart: Int32Array;
  children: Int32Array;
  /** Spans in the order of a walk through the tree, parents before children. */
  order: Int32Array;
  /** How many spans the subtree of a span has, itself included. */
  subtree: Int32Array;
  /** Time in which none of a span's children ran, in nanoseconds. */
  selfNs: Float64Array;
  roots: number[];
  /** End of the last span, counted from the trace's start. */
  durationNs: number;
  services: ServiceShare[];
  errors: number;
  maxDepth: number;
  indexOf: Map<string, number>;
}

export interface ServiceShare {
  service: string;
  spans: number;
  errors: number;
  selfNs: number;
}

export function buildTrace(outline: Schemas["TraceOutline"]): TraceModel {
  const { columns } = outline;
  const size = columns.span_id.length;
  const { indexOf, parent, orphan } = parentsOf(columns.span_id, columns.parent_span_id);
  breakCycles(parent);
  const { childStart, children, roots } = childrenOf(parent);
  const { order, depth, subtree } = walk(childStart, children, roots, size);
  const selfNs = selfTimes(columns, childStart, children);
  let durationNs = 1;
  let errors = 0;
  let maxDepth = 0;
  const { start_ns: starts, duration_ns: durations, status } = columns;
  for (let i = 0; i < size; i += 1) {
    durationNs = Math.max(durationNs, (starts[i] as number) + (durations[i] as number));
    if (status[i] === "error") errors += 1;
    maxDepth = Math.max(maxDepth, depth[i] as number);
  }
  return {
    traceId: outline.trace_id,
    startUnixNs: BigInt(outline.start_time_unix_nano),
    size,
    columns,
    parent,
    orphan,
    depth,
    childStart,
    children,
    order,
    subtree,
    selfNs,
    roots,
    durationNs,
    services: shares(columns, selfNs),
    errors,
    maxDepth,
    indexOf,
  };
}

/**
 * An item that is known to be there: columns have one for every span. What runs over all spans reads its lists by itself:
 * one function for lists of every kind is slow in each.
 */
export function at<T>(list: ArrayLike<T>, index: number): T {
  return list[index] as T;
}

function parentsOf(
  ids: readonly string[],
  parents: readonly string[],
): { indexOf: Map<string, number>; parent: Int32Array; orphan: Uint8Array } {
  const indexOf = new Map<string, number>();
  for (let i = 0; i < ids.length; i += 1) indexOf.set(ids[i] as string, i);
  const parent = new Int32Array(ids.length).fill(-1);
  const orphan = new Uint8Array(ids.length);
  for (let i = 0; i < ids.length; i += 1) {
    const wanted = parents[i] as string;
    const found = wanted === "" ? undefined : indexOf.get(wanted);
    if (found !== undefined && found !== i) parent[i] = found;
    else if (wanted !== "") orphan[i] = 1;
  }
  return { indexOf, parent, orphan };
}

/** Damaged data may name each other as parents; such a ring loses one of its links. */
function breakCycles(parent: Int32Array): void {
  if (parent.every((p, i) => p < i)) return; // each begins before its children, as nearly always: there is no ring
  const state = new Uint8Array(parent.length); // 0 unseen, 1 on the way up, 2 done
  for (let i = 0; i < parent.length; i += 1) {
    const path: number[] = [];
    let j = i;
    while (j !== -1 && state[j] === 0) {
      state[j] = 1;
      path.push(j);
      j = parent[j] as number;
    }
    if (j !== -1 && state[j] === 1) parent[j] = -1;
    for (const k of path) state[k] = 2;
  }
}

function childrenOf(parent: Int32Array): { childStart: Int32Array; children: Int32Array; roots: number[] } {
  const size = parent.length;
  const childStart = new Int32Array(size + 1);
  const roots: number[] = [];
  for (let i = 0; i < size; i += 1) {
    const p = parent[i] as number;
    if (p === -1) roots.push(i);
    else childStart[p + 1] = (childStart[p + 1] as number) + 1;
  }
  for (let i = 0; i < size; i += 1) childStart[i + 1] = (childStart[i + 1] as number) + (childStart[i] as number);
  const next = childStart.slice(0, size);
  const children = new Int32Array(size - roots.length);
  for (let i = 0; i < size; i += 1) {
    const p = parent[i] as number;
    if (p === -1) continue;
    const place = next[p] as number;
    children[place] = i;
    next[p] = place + 1;
  }
  return { childStart, children, roots };
}

function walk(
  childStart: Int32Array,
  children: Int32Array,
  roots: number[],
  size: number,
): { order: Int32Array; depth: Uint16Array; subtree: Int32Array } {
  const order = new Int32Array(size);
  const depth = new Uint16Array(size);
  const subtree = new Int32Array(size).fill(1);
  const stack = roots.toReversed();
  let place = 0;
  while (stack.length > 0) {
    const span = stack.pop() as number;
    order[place] = span;
    place += 1;
    const below = Math.min((depth[span] as number) + 1, 65_535);
    for (let k = (childStart[span + 1] as number) - 1; k >= (childStart[span] as number); k -= 1) {
      const child = children[k] as number;
      depth[child] = below;
      stack.push(child);
    }
  }
  for (let k = size - 1; k >= 0; k -= 1) {
    const span = order[k] as number;
    let sum = 1;
    for (let c = childStart[span] as number; c < (childStart[span + 1] as number); c += 1) {
      sum += subtree[children[c] as number] as number;
    }
    subtree[span] = sum;
  }
  return { order, depth, subtree };
}

/** Children are in the order of their start, so their union is found in one pass. */
function selfTimes(columns: Columns, childStart: Int32Array, children: Int32Array): Float64Array {
  const { start_ns: starts, duration_ns: durations } = columns;
  const size = starts.length;
  const self = new Float64Array(size);
  for (let i = 0; i < size; i += 1) {
    const start = starts[i] as number;
    const end = start + (durations[i] as number);
    let covered = 0;
    let reached = start;
    for (let c = childStart[i] as number; c < (childStart[i + 1] as number); c += 1) {
      const child = children[c] as number;
      const from = Math.max(starts[child] as number, reached);
      const to = Math.min((starts[child] as number) + (durations[child] as number), end);
      if (to > from) {
        covered += to - from;
        reached = to;
      }
    }
    self[i] = Math.max(0, end - start - covered);
  }
  return self;
}

function shares({ service: services, status }: Columns, selfNs: Float64Array): ServiceShare[] {
  const found = new Map<string, ServiceShare>();
  for (let i = 0; i < services.length; i += 1) {
    const service = services[i] as string;
    let share = found.get(service);
    if (share === undefined) {
      share = { service, spans: 0, errors: 0, selfNs: 0 };
      found.set(service, share);
    }
    share.spans += 1;
    share.selfNs += selfNs[i] as number;
    if (status[i] === "error") share.errors += 1;
  }
  return [...found.values()].toSorted((a, b) => b.selfNs - a.selfNs);
}

/** The rows of the waterfall: spans of the walk, without what is collapsed or hidden. */
export function visibleSpans(trace: TraceModel, collapsed: ReadonlySet<number>, hidden: ReadonlySet<string>): number[] {
  const { order, subtree, size } = trace;
  const services = trace.columns.service;
  if (collapsed.size === 0 && hidden.size === 0) return Array.from(order);
  const rows: number[] = [];
  for (let k = 0; k < size; k += 1) {
    const span = order[k] as number;
    if (!hidden.has(services[span] as string)) rows.push(span);
    if (collapsed.has(span)) k += (subtree[span] as number) - 1;
  }
  return rows;
}

export interface Segment {
  span: number;
  fromNs: number;
  toNs: number;
}

/**
 * The critical path: at every moment the span that the end of the trace waited for. Read backwards from the end of a
 * span, the last child to finish before that moment is what it waited for; between children the span itself is.
 */
export function criticalPath(trace: TraceModel): Segment[] {
  const { columns, childStart, children } = trace;
  const segments: Segment[] = [];
  const root = longestRoot(trace);
  if (root === -1) return segments;
  const stack: { span: number; until: number }[] = [
    { span: root, until: at(columns.start_ns, root) + at(columns.duration_ns, root) },
  ];
  while (stack.length > 0) {
    const { span, until } = stack.pop() as { span: number; until: number };
    const start = at(columns.start_ns, span);
    const kids = Array.from(children.subarray(at(childStart, span), at(childStart, span + 1))).toSorted(
      (a, b) => at(columns.start_ns, b) + at(columns.duration_ns, b) - at(columns.start_ns, a) - at(columns.duration_ns, a),
    );
    let cursor = until;
    for (const child of kids) {
      const childStartNs = at(columns.start_ns, child);
      const childEnd = Math.min(childStartNs + at(columns.duration_ns, child), until);
      if (childStartNs < start || childStartNs >= cursor || childEnd > cursor) continue;
      if (cursor > childEnd) segments.push({ span, fromNs: childEnd, toNs: cursor });
      stack.push({ span: child, until: childEnd });
      cursor = childStartNs;
    }
    if (cursor > start) segments.push({ span, fromNs: start, toNs: cursor });
  }
  return segments.toSorted((a, b) => a.fromNs - b.fromNs);
}

function longestRoot(trace: TraceModel): number {
  let best = -1;
  for (const root of trace.roots) {
    if (best === -1 || at(trace.columns.duration_ns, root) > at(trace.columns.duration_ns, best)) best = root;
  }
  return best;
}

export interface OperationStatistics {
  service: string;
  name: string;
  spans: number;
  errors: number;
  totalNs: number;
  selfNs: number;
  meanNs: number;
  medianNs: number;
  p95Ns: number;
  maxNs: number;
  /** Time on the critical path. */
  criticalNs: number;
}

const known = new WeakMap<TraceModel, OperationStatistics[]>();

/** What each operation took of a trace: computed once, as that looks at every span. */
export function statistics(trace: TraceModel): OperationStatistics[] {
  const found = known.get(trace) ?? computedStatistics(trace);
  known.set(trace, found);
  return found;
}

function computedStatistics(trace: TraceModel): OperationStatistics[] {
  const { services, names, of } = operationsOf(trace.columns);
  const { duration_ns: allDurations, status } = trace.columns;
  const spansOf: number[][] = names.map(() => []);
  for (let i = 0; i < trace.size; i += 1) (spansOf[of[i] as number] as number[]).push(i);
  const criticalNs = new Float64Array(names.length);
  for (const segment of criticalPath(trace)) {
    const operation = of[segment.span] as number;
    criticalNs[operation] = (criticalNs[operation] as number) + segment.toNs - segment.fromNs;
  }
  return spansOf.map((spans, operation) => {
    const durations = Float64Array.from(spans, (span) => allDurations[span] as number).toSorted();
    const totalNs = durations.reduce((sum, value) => sum + value, 0);
    return {
      service: services[operation] as string,
      name: names[operation] as string,
      spans: spans.length,
      errors: spans.filter((span) => status[span] === "error").length,
      totalNs,
      selfNs: spans.reduce((sum, span) => sum + (trace.selfNs[span] as number), 0),
      meanNs: totalNs / spans.length,
      medianNs: quantile(durations, 0.5),
      p95Ns: quantile(durations, 0.95),
      maxNs: durations.at(-1) ?? 0,
      criticalNs: criticalNs[operation] as number,
    };
  });
}

/** With linear interpolation between the neighbours. */
function quantile(sorted: Float64Array, q: number): number {
  const place = (sorted.length - 1) * q;
  const below = Math.floor(place);
  const low = sorted[below] ?? 0;
  return low + ((sorted[Math.ceil(place)] ?? low) - low) * (place - below);
}

export interface GraphEdge {
  client: string;
  server: string;
  calls: number;
  errors: number;
  totalNs: number;
}

/** Which service called which in this trace, and how often. */
export function serviceGraph(trace: TraceModel): GraphEdge[] {
  const edges = new Map<string, GraphEdge>();
  for (let i = 0; i < trace.size; i += 1) {
    const p = at(trace.parent, i);
    if (p === -1) continue;
    const client = at(trace.columns.service, p);
    const server = at(trace.columns.service, i);
    if (client === server) continue;
    const key = `${client}\0${server}`;
    const edge = edges.get(key) ?? { client, server, calls: 0, errors: 0, totalNs: 0 };
    edge.calls += 1;
    edge.totalNs += at(trace.columns.duration_ns, i);
    if (trace.columns.status[i] === "error") edge.errors += 1;
    edges.set(key, edge);
  }
  return [...edges.values()];
}

export interface Frame {
  service: string;
  name: string;
  depth: number;
  /** Left edge and width as parts of the sum of all self times. */
  from: number;
  width: number;
  spans: number;
  errors: number;
  totalNs: number;
  selfNs: number;
  /** The time that the width stands for. */
  busyNs: number;
}

/** Spans of equal path. */
interface Node {
  operation: number;
  spans: number;
  errors: number;
  totalNs: number;
  selfNs: number;
  valueNs: number;
  children: Node[];
}

/** The flame graph: spans of equal path merged, as wide as the time that they and all below them were busy. */
export function flameGraph(trace: TraceModel): Frame[] {
  const { services, names, of } = operationsOf(trace.columns);
  const top = pathsOf(trace, of, names.length);
  const frames: Frame[] = [];
  const whole = top.valueNs || 1;
  const stack: { node: Node; depth: number; from: number }[] = [{ node: top, depth: -1, from: 0 }];
  while (stack.length > 0) {
    const { node: one, depth, from } = stack.pop() as { node: Node; depth: number; from: number };
    if (depth >= 0) {
      const { operation, spans, errors, totalNs, selfNs, valueNs } = one;
      const [service, name] = [services[operation] as string, names[operation] as string];
      frames.push({ service, name, depth, from, width: valueNs / whole, spans, errors, totalNs, selfNs, busyNs: valueNs });
    }
    let left = from;
    for (const child of one.children.toSorted((a, b) => b.valueNs - a.valueNs)) {
      stack.push({ node: child, depth: depth + 1, from: left });
      left += child.valueNs / whole;
    }
  }
  return frames;
}

/** Every operation once, and which of them each span is. */
function operationsOf({ service, name }: Columns): { services: string[]; names: string[]; of: Int32Array } {
  const known = new Map<string, Map<string, number>>();
  const services: string[] = [];
  const names: string[] = [];
  const of = new Int32Array(name.length);
  for (let i = 0; i < of.length; i += 1) {
    const [own, called] = [service[i] as string, name[i] as string];
    let ofService = known.get(own);
    if (ofService === undefined) known.set(own, (ofService = new Map()));
    let operation = ofService.get(called);
    if (operation === undefined) {
      operation = names.length;
      ofService.set(called, operation);
      services.push(own);
      names.push(called);
    }
    of[i] = operation;
  }
  return { services, names, of };
}

/** The tree of paths, each with the time that it and all below it were busy. */
function pathsOf(trace: TraceModel, operationOf: Int32Array, operations: number): Node {
  const { order, parent, selfNs, size } = trace;
  const { duration_ns: durations, status } = trace.columns;
  const nodes: Node[] = [node(-1)];
  const nodeOf = new Int32Array(size);
  const known = new Map<number, number>();
  for (let k = 0; k < size; k += 1) {
    const span = order[k] as number;
    const p = parent[span] as number;
    const above = p === -1 ? 0 : (nodeOf[p] as number);
    const operation = operationOf[span] as number;
    const key = above * operations + operation;
    let index = known.get(key);
    if (index === undefined) {
      index = nodes.length;
      known.set(key, index);
      nodes.push(node(operation));
      (nodes[above] as Node).children.push(nodes[index] as Node);
    }
    nodeOf[span] = index;
    const own = nodes[index] as Node;
    own.spans += 1;
    own.totalNs += durations[span] as number;
    own.selfNs += selfNs[span] as number;
    if (status[span] === "error") own.errors += 1;
  }
  // Those below come after those above them.
  for (const one of nodes.toReversed()) {
    one.valueNs = one.children.reduce((sum, child) => sum + child.valueNs, one.selfNs);
  }
  return nodes[0] as Node;
}

function node(operation: number): Node {
  return { operation, spans: 0, errors: 0, totalNs: 0, selfNs: 0, valueNs: 0, children: [] };
}
