import { ask } from "../../api/client";
import type { Moments } from "../../state/range";
import type { TracesSearch } from "./search";

const PAGE = 200;

/** A page of traces: the first, or the one that begins at `cursor`. */
export function tracesAsk({ q = "", order = "newest" }: TracesSearch, { from, to }: Moments, cursor?: string) {
  return ask("/api/v1/traces", { params: { query: { from, to, q, order, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) } } });
}

export function tracesAsks(search: TracesSearch, range: Moments) {
  return {
    traces: tracesAsk(search, range),
    views: ask("/api/v1/views", { params: { query: { page: "traces" } } }),
  };
}
