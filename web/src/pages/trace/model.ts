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
  const indexOf = new Map<string, number>();
  for (let i = 0; i < size; i += 1) indexOf.set(at(columns.span_id, i), i);
  const parent = new Int32Array(size).fill(-1);
  const orphan = new Uint8Array(size);
  for (let i = 0; i < size; i += 1) {
    const wanted = at(columns.parent_span_id, i);
    const found = wanted === "" ? undefined : indexOf.get(wanted);
    if (found !== undefined && found !== i) parent[i] = found;
    else if (wanted !== "") orphan[i] = 1;
  }
  breakCycles(parent);
  const { childStart, children, roots } = childrenOf(parent);
  const { order, depth, subtree } = walk(childStart, children, roots, size);
  const selfNs = selfTimes(columns, childStart, children);
  let durationNs = 1;
  let errors = 0;
  let maxDepth = 0;
  for (let i = 0; i < size; i += 1) {
    durationNs = Math.max(durationNs, at(columns.start_ns, i) + at(columns.duration_ns, i));
    if (columns.status[i] === "error") errors += 1;
    maxDepth = Math.max(maxDepth, depth[i] ?? 0);
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

/** An item that is known to be there: columns have one for every span. */
export function at<T>(list: ArrayLike<T>, index: number): T {
  return list[index] as T;
}

/** Damaged data may name each other as parents; such a ring loses one of its links. */
function breakCycles(parent: Int32Array): void {
  const state = new Uint8Array(parent.length); // 0 unseen, 1 on the way up, 2 done
  for (let i = 0; i < parent.length; i += 1) {
    const path: number[] = [];
    let j = i;
    while (j !== -1 && state[j] === 0) {
      state[j] = 1;
      path.push(j);
      j = at(parent, j);
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
    const p = at(parent, i);
    if (p === -1) roots.push(i);
    else childStart[p + 1] = at(childStart, p + 1) + 1;
  }
  for (let i = 0; i < size; i += 1) childStart[i + 1] = at(childStart, i + 1) + at(childStart, i);
  const next = childStart.slice(0, size);
  const children = new Int32Array(size - roots.length);
  for (let i = 0; i < size; i += 1) {
    const p = at(parent, i);
    if (p === -1) continue;
    const place = at(next, p);
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
    for (let k = at(childStart, span + 1) - 1; k >= at(childStart, span); k -= 1) {
      const child = at(children, k);
      depth[child] = Math.min(at(depth, span) + 1, 65_535);
      stack.push(child);
    }
  }
  for (let k = size - 1; k >= 0; k -= 1) {
    const span = at(order, k);
    for (let c = at(childStart, span); c < at(childStart, span + 1); c += 1) {
      subtree[span] = at(subtree, span) + at(subtree, at(children, c));
    }
  }
  return { order, depth, subtree };
}

/** Children are in the order of their start, so their union is found in one pass. */
function selfTimes(columns: Columns, childStart: Int32Array, children: Int32Array): Float64Array {
  const size = columns.span_id.length;
  const self = new Float64Array(size);
  for (let i = 0; i < size; i += 1) {
    const start = at(columns.start_ns, i);
    const end = start + at(columns.duration_ns, i);
    let covered = 0;
    let reached = start;
    for (let c = at(childStart, i); c < at(childStart, i + 1); c += 1) {
      const child = at(children, c);
      const from = Math.max(at(columns.start_ns, child), reached);
      const to = Math.min(at(columns.start_ns, child) + at(columns.duration_ns, child), end);
      if (to > from) {
        covered += to - from;
        reached = to;
      }
    }
    self[i] = Math.max(0, end - start - covered);
  }
  return self;
}

function shares(columns: Columns, selfNs: Float64Array): ServiceShare[] {
  const found = new Map<string, ServiceShare>();
  for (let i = 0; i < columns.service.length; i += 1) {
    const service = at(columns.service, i);
    let share = found.get(service);
    if (share === undefined) {
      share = { service, spans: 0, errors: 0, selfNs: 0 };
      found.set(service, share);
    }
    share.spans += 1;
    share.selfNs += at(selfNs, i);
    if (columns.status[i] === "error") share.errors += 1;
  }
  return [...found.values()].toSorted((a, b) => b.selfNs - a.selfNs);
}

/** The rows of the waterfall: spans of the walk, without what is collapsed or hidden. */
export function visibleSpans(trace: TraceModel, collapsed: ReadonlySet<number>, hidden: ReadonlySet<string>): number[] {
  const rows: number[] = [];
  for (let k = 0; k < trace.size; k += 1) {
    const span = at(trace.order, k);
    if (!hidden.has(at(trace.columns.service, span))) rows.push(span);
    if (collapsed.has(span)) k += at(trace.subtree, span) - 1;
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

export function statistics(trace: TraceModel, critical: Segment[]): OperationStatistics[] {
  const groups = new Map<string, { service: string; name: string; spans: number[]; criticalNs: number }>();
  const keyOf = (span: number): string => `${at(trace.columns.service, span)}\0${at(trace.columns.name, span)}`;
  for (let i = 0; i < trace.size; i += 1) {
    const key = keyOf(i);
    const group = groups.get(key);
    if (group) group.spans.push(i);
    else {
      groups.set(key, {
        service: at(trace.columns.service, i),
        name: at(trace.columns.name, i),
        spans: [i],
        criticalNs: 0,
      });
    }
  }
  for (const segment of critical) {
    const group = groups.get(keyOf(segment.span));
    if (group) group.criticalNs += segment.toNs - segment.fromNs;
  }
  return [...groups.values()].map(({ service, name, spans, criticalNs }) => {
    const durations = Float64Array.from(spans, (span) => at(trace.columns.duration_ns, span)).toSorted();
    const totalNs = durations.reduce((sum, value) => sum + value, 0);
    return {
      service,
      name,
      spans: spans.length,
      errors: spans.filter((span) => trace.columns.status[span] === "error").length,
      totalNs,
      selfNs: spans.reduce((sum, span) => sum + at(trace.selfNs, span), 0),
      meanNs: totalNs / spans.length,
      medianNs: quantile(durations, 0.5),
      p95Ns: quantile(durations, 0.95),
      maxNs: durations.at(-1) ?? 0,
      criticalNs,
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

interface Node {
  service: string;
  name: string;
  spans: number;
  errors: number;
  totalNs: number;
  selfNs: number;
  valueNs: number;
  children: Map<string, Node>;
}

/** The flame graph: spans of equal path merged, as wide as the time that they and all below them were busy. */
export function flameGraph(trace: TraceModel): Frame[] {
  const top: Node = node("", "");
  const nodes: Node[] = [];
  for (let k = 0; k < trace.size; k += 1) {
    const span = at(trace.order, k);
    const p = at(trace.parent, span);
    const above = p === -1 ? top : (nodes[p] as Node);
    const service = at(trace.columns.service, span);
    const name = at(trace.columns.name, span);
    const key = `${service}\0${name}`;
    let own = above.children.get(key);
    if (own === undefined) {
      own = node(service, name);
      above.children.set(key, own);
    }
    own.spans += 1;
    own.totalNs += at(trace.columns.duration_ns, span);
    own.selfNs += at(trace.selfNs, span);
    if (trace.columns.status[span] === "error") own.errors += 1;
    nodes[span] = own;
  }
  measure(top);
  const frames: Frame[] = [];
  const whole = top.valueNs || 1;
  const stack: { node: Node; depth: number; from: number }[] = [{ node: top, depth: -1, from: 0 }];
  while (stack.length > 0) {
    const { node: one, depth, from } = stack.pop() as { node: Node; depth: number; from: number };
    if (depth >= 0) {
      const { service, name, spans, errors, totalNs, selfNs, valueNs } = one;
      frames.push({ service, name, depth, from, width: valueNs / whole, spans, errors, totalNs, selfNs, busyNs: valueNs });
    }
    let left = from;
    for (const child of [...one.children.values()].toSorted((a, b) => b.valueNs - a.valueNs)) {
      stack.push({ node: child, depth: depth + 1, from: left });
      left += child.valueNs / whole;
    }
  }
  return frames;
}

function node(service: string, name: string): Node {
  return { service, name, spans: 0, errors: 0, totalNs: 0, selfNs: 0, valueNs: 0, children: new Map() };
}

function measure(top: Node): void {
  const order: Node[] = [top];
  for (let i = 0; i < order.length; i += 1) order.push(...(order[i] as Node).children.values());
  for (const one of order.toReversed()) {
    one.valueNs = one.selfNs;
    for (const child of one.children.values()) one.valueNs += child.valueNs;
  }
}
