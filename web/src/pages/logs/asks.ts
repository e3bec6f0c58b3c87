import { ask } from "../../api/client";
import type { Moments } from "../../state/range";
import type { LogsSearch } from "./search";

/** The first page is small, so that it is there at once. */
const FIRST_PAGE = 200;
const PAGE = 1_000;
/** Fields that are counted beside every list. */
const COMMON = ["service", "severity"] as const;
const VALUES = 8;

/** Whether a field is counted beside every list. */
export function isCommon(field: string): boolean {
  return (COMMON as readonly string[]).includes(field);
}

/** A page of lines: the first, or the one that begins at `cursor`. */
export function linesAsk({ q = "", oldest }: LogsSearch, { from, to }: Moments, cursor?: string) {
  const page = cursor === undefined ? { limit: FIRST_PAGE } : { cursor, limit: PAGE };
  return ask("/api/v1/logs", { params: { query: { from, to, q, order: oldest ? "oldest" : "newest", ...page } } });
}

export function histogramAsk({ q = "" }: Pick<LogsSearch, "q">, { from, to }: Moments) {
  return ask("/api/v1/logs/histogram", { params: { query: { from, to, q, buckets: 80 } } });
}

export function facetFields(chosen: readonly string[]): string[] {
  return [...COMMON, ...chosen];
}

export function facetsAsk(search: LogsSearch, { from, to }: Moments) {
  return ask("/api/v1/logs/facets", {
    params: { query: { from, to, q: search.q ?? "", field: facetFields(search.facets ?? []), limit: VALUES } },
  });
}

export function patternsAsk({ q = "" }: Pick<LogsSearch, "q">, { from, to }: Moments) {
  return ask("/api/v1/logs/patterns", { params: { query: { from, to, q, limit: 100, buckets: 40 } } });
}

export function logsAsks(search: LogsSearch, range: Moments) {
  const views = ask("/api/v1/views", { params: { query: { page: "logs" } } });
  if (search.live) return { views };
  const list = search.patterns ? { patterns: patternsAsk(search, range) } : { lines: linesAsk(search, range), facets: facetsAsk(search, range) };
  return { ...list, histogram: histogramAsk(search, range), views };
}
