import { ask } from "../../api/client";
import type { Moments } from "../../state/range";

export function mapAsks({ from, to }: Moments) {
  return {
    edges: ask("/api/v1/service-map", { params: { query: { from, to } } }),
    services: ask("/api/v1/services", { params: { query: { from, to } } }),
  };
}
