import { ask } from "../../api/client";
import type { Moments } from "../../state/range";

export function servicesAsks({ from, to }: Moments) {
  return {
    services: ask("/api/v1/services", { params: { query: { from, to } } }),
    trends: ask("/api/v1/service-trends", { params: { query: { from, to, points: 40 } } }),
  };
}
