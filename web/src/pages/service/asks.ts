import { ask } from "../../api/client";
import { condition } from "../../lib/query-text";
import type { Moments } from "../../state/range";
import type { ServiceSearch } from "./search";

/** The query that finds the spans that the page speaks of. */
export function spansOf(service: string, operation: string | undefined): string {
  return [condition("service", service), ...(operation === undefined ? [] : [condition("name", operation)])].join(" ");
}

export function redAsk(service: string, operation: string | undefined, { from, to }: Moments) {
  return ask("/api/v1/services/{service}/red", {
    params: { path: { service }, query: { ...(operation === undefined ? {} : { operation }), from, to } },
  });
}

export function heatAsk(q: string, { from, to }: Moments) {
  return ask("/api/v1/traces/heatmap", { params: { query: { from, to, q, columns: 100 } } });
}

export function operationsAsk(service: string, { from, to }: Moments) {
  return ask("/api/v1/services/{service}/operations", { params: { path: { service }, query: { from, to } } });
}

export function serviceAsks(service: string, { operation, tab }: ServiceSearch, range: Moments) {
  const { from, to } = range;
  return {
    services: ask("/api/v1/services", { params: { query: { from, to } } }),
    red: redAsk(service, operation, range),
    heat: heatAsk(spansOf(service, operation), range),
    ...(tab === undefined || tab === "operations" ? { operations: operationsAsk(service, range) } : {}),
  };
}
