import { iso, parseTime } from "../lib/time";
import type { GlobalSearch } from "./search";

export const DEFAULT_FROM = "now-1h";
export const DEFAULT_TO = "now";

const HOUR_MS = 3_600_000;

/** When the document was opened: the first view speaks of the range that ends here, also what is asked ahead of it. */
export const OPENED_MS = Date.now();

/** What the API is asked with: moments, so that all parts of a page speak of the same range. */
export interface Moments {
  from: string;
  to: string;
}

export interface Range extends Moments {
  fromMs: number;
  toMs: number;
}

/** The range that an address names, at a moment. */
export function rangeAt(search: GlobalSearch, nowMs: number): Range {
  const toMs = parseTime(search.to ?? DEFAULT_TO, nowMs, "end") ?? nowMs;
  const parsed = parseTime(search.from ?? DEFAULT_FROM, nowMs) ?? toMs - HOUR_MS;
  const fromMs = parsed < toMs ? parsed : toMs - HOUR_MS;
  return { from: iso(fromMs), to: iso(toMs), fromMs, toMs };
}
