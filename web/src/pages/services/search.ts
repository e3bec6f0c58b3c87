import { oneOf, type RawSearch, text } from "../../state/search";

export const SERVICE_ORDERS = ["service", "rate", "errors", "p50", "p95", "p99"] as const;

export interface ServicesSearch {
  /** Part of the names to show. */
  q?: string;
  sort?: (typeof SERVICE_ORDERS)[number];
}

export function validateServicesSearch(raw: RawSearch): ServicesSearch {
  return { q: text(raw, "q"), sort: oneOf(raw, "sort", SERVICE_ORDERS) };
}
