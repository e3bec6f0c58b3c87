import { ask } from "../../api/client";
import { iso } from "../../lib/time";
import type { Moments, Range } from "../../state/range";

const DAY_MS = 86_400_000;

export function trendsAsk({ from, to }: Moments) {
  return ask("/api/v1/service-trends", { params: { query: { from, to, points: 60 } } });
}

/** The day that ends with the range, or the range if that is longer: what was kept and what not is shown by the hour. */
export function dayOf({ fromMs, toMs, to }: Range): Moments {
  return { from: iso(Math.min(fromMs, toMs - DAY_MS)), to };
}

export function overviewAsks(range: Range) {
  const { from, to } = range;
  return {
    overview: ask("/api/v1/overview", { params: { query: { from, to } } }),
    trends: trendsAsk(range),
  };
}

/** What the page asks when one comes to its foot. */
export function ingestAsks(range: Range) {
  const day = dayOf(range);
  return {
    usage: ask("/api/v1/usage", { params: { query: day } }),
    ledger: ask("/api/v1/ledger", { params: { query: day } }),
  };
}
