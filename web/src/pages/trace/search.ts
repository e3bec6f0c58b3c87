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
}

export function validateTraceSearch(raw: RawSearch): TraceSearch {
  return {
    view: oneOf(raw, "view", TRACE_VIEWS),
    span: text(raw, "span"),
    find: text(raw, "find"),
    hide: texts(raw, "hide"),
    logs: flag(raw, "logs"),
    critical: flag(raw, "critical"),
  };
}
