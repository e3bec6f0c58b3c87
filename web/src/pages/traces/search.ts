import { oneOf, type RawSearch, text } from "../../state/search";

export interface TracesSearch {
  /** Conditions, as `GET /api/v1/traces?q=` takes them. */
  q?: string;
  order?: "newest" | "slowest";
  /** The key that matching spans are grouped by. */
  by?: string;
  /** The part of the picture that is held against the rest: from and to in milliseconds since 1970, then durations. */
  pick?: string;
}

export function validateTracesSearch(raw: RawSearch): TracesSearch {
  return {
    q: text(raw, "q"),
    order: oneOf(raw, "order", ["newest", "slowest"]),
    by: text(raw, "by"),
    pick: text(raw, "pick"),
  };
}

export interface Pick {
  fromMs: number;
  toMs: number;
  minMs: number;
  maxMs: number;
}

export function parsePick(raw: string | undefined): Pick | null {
  const parts = (raw ?? "").split(",").map(Number);
  const [fromMs, toMs, minMs, maxMs] = parts;
  if (parts.length !== 4 || parts.some((part) => !Number.isFinite(part))) return null;
  return { fromMs, toMs, minMs, maxMs } as Pick;
}

export function formatPick(pick: Pick): string {
  return [Math.floor(pick.fromMs), Math.ceil(pick.toMs), pick.minMs.toPrecision(4), pick.maxMs.toPrecision(4)]
    .map(Number)
    .join(",");
}
