import { flag, oneOf, type RawSearch, text, texts } from "../../state/search";

export const TRACE_VIEWS = ["waterfall", "flame", "statistics", "graph", "logs"] as const;
export type TraceView = (typeof TRACE_VIEWS)[number];

export interface TraceSearch {
  view?: TraceView;
  /** The span whose details are open. */
  span?: string;
  /** Text to find in names, services and attributes. */
  find?: string;
  /** Services that are hidden. */
  hide?: string[];
  /** Whether log lines stand among the spans. */
  logs?: true;
  /** Whether only the critical path is in colour. */
  critical?: true;
  /** The part of its time that is shown: from and to in nanoseconds since its start. */
  part?: string;
}

/** A part of the trace's time, in nanoseconds since its start. */
export interface Window {
  fromNs: number;
  toNs: number;
}

export function validateTraceSearch(raw: RawSearch): TraceSearch {
  return {
    view: oneOf(raw, "view", TRACE_VIEWS),
    span: text(raw, "span"),
    find: text(raw, "find"),
    hide: texts(raw, "hide"),
    logs: flag(raw, "logs"),
    critical: flag(raw, "critical"),
    part: text(raw, "part"),
  };
}

/** The part that an address names, if it is one of a trace of this duration. */
export function parsePart(raw: string | undefined, durationNs: number): Window | null {
  const [from, to, ...more] = (raw ?? "").split(",").map(Number);
  if (from === undefined || to === undefined || more.length > 0 || !(from >= 0 && from < to && from < durationNs)) return null;
  return { fromNs: from, toNs: Math.min(to, durationNs) };
}

export function formatPart({ fromNs, toNs }: Window): string {
  return `${Math.floor(fromNs)},${Math.ceil(toNs)}`;
}
