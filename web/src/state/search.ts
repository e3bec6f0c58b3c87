/** What every page keeps in its address: the time range, the tenant, the refresh interval, the comparison. */
export interface GlobalSearch {
  /** Start as the API takes it: `now-1h`, RFC 3339. Missing: the last hour. */
  from?: string;
  to?: string;
  tenant?: string;
  /** Seconds between refreshes; missing: none. */
  refresh?: number;
  /** How far back the range is that charts compare with, such as `1d`. */
  compare?: string;
}

export const GLOBAL_KEYS = ["from", "to", "tenant", "refresh", "compare"] as const;

/** Raw search parameters: anything that an address can hold. */
export type RawSearch = Record<string, unknown>;

/** A text, also when the address held something that reads like a number; nothing when it is empty or no scalar. */
export function text(raw: RawSearch, name: string): string | undefined {
  const value = raw[name];
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

export function number(raw: RawSearch, name: string): number | undefined {
  const value = Number(raw[name] ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}

export function flag(raw: RawSearch, name: string): true | undefined {
  return raw[name] === true || raw[name] === "true" || raw[name] === 1 ? true : undefined;
}

export function oneOf<const T extends string>(raw: RawSearch, name: string, allowed: readonly T[]): T | undefined {
  const value = raw[name];
  return allowed.find((candidate) => candidate === value);
}

export function texts(raw: RawSearch, name: string): string[] | undefined {
  const value = raw[name];
  const one = text(raw, name);
  const list = Array.isArray(value) ? value.map(String) : one === undefined ? [] : [one];
  return list.length > 0 ? list : undefined;
}

export function validateGlobalSearch(raw: RawSearch): GlobalSearch {
  const refresh = number(raw, "refresh");
  return {
    from: text(raw, "from"),
    to: text(raw, "to"),
    tenant: text(raw, "tenant"),
    refresh: refresh !== undefined && refresh >= 1 ? refresh : undefined,
    compare: text(raw, "compare"),
  };
}
