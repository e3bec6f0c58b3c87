import { number, oneOf, type RawSearch, text } from "../../state/search";

export interface TracesSearch {
  /** Conditions, as `GET /api/v1/traces?q=` takes them. */
  q?: string;
  order?: "newest" | "slowest";
  /** The key that matching spans are grouped by. */
  by?: string;
  /** Duration in milliseconds from which on a trace counts as slow, and is compared with the others. */
  slow?: number;
}

export function validateTracesSearch(raw: RawSearch): TracesSearch {
  return {
    q: text(raw, "q"),
    order: oneOf(raw, "order", ["newest", "slowest"]),
    by: text(raw, "by"),
    slow: number(raw, "slow"),
  };
}
