/** Points in time as people write them, and as the API takes them. */

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
type Unit = keyof typeof UNIT_MS;

const RELATIVE = /^(now)?((?:[+-]?\d+[smhdw])*)(?:\/([smhd]))?$/;
const STEP = /([+-]?)(\d+)([smhdw])/g;

/** Milliseconds since 1970 of `now-15m`, `15m`, `now-1d/d`, RFC 3339 or a Unix time; null if it is none of these. */
export function parseTime(text: string, nowMs: number, edge: "start" | "end" = "start"): number | null {
  const trimmed = text.trim();
  if (/^\d{9,19}(\.\d+)?$/.test(trimmed)) return unixMs(Number(trimmed));
  const match = RELATIVE.exec(trimmed);
  if (match && (match[1] !== undefined || match[2] !== "")) {
    let at = nowMs;
    for (const step of (match[2] ?? "").matchAll(STEP)) {
      const size = Number(step[2]) * UNIT_MS[step[3] as Unit];
      at += step[1] === "+" ? size : -size;
    }
    const unit = match[3] as Unit | undefined;
    if (unit !== undefined) {
      const size = UNIT_MS[unit];
      at = Math.floor(at / size) * size + (edge === "end" ? size : 0);
    }
    return at;
  }
  if (!/^\d{4}-\d\d-\d\d/.test(trimmed)) return null;
  const withTime = trimmed.length === 10 ? `${trimmed}T00:00:00Z` : trimmed.replace(" ", "T");
  const zoned = /([zZ]|[+-]\d\d:?\d\d)$/.test(withTime) ? withTime : `${withTime}Z`;
  const ms = Date.parse(zoned);
  return Number.isNaN(ms) ? null : ms;
}

/** Whether the text moves with the clock. */
export function isRelative(text: string): boolean {
  return RELATIVE.test(text.trim()) && !/^\d{9,19}$/.test(text.trim());
}

function unixMs(value: number): number {
  if (value < 1e11) return value * 1_000;
  if (value < 1e14) return value;
  return value < 1e17 ? value / 1e3 : value / 1e6;
}

/** RFC 3339 in UTC with milliseconds. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

export type Zone = "local" | "utc";

/** `2026-07-01 12:00:00.123`; the fraction only if asked for. */
export function dateTime(ms: number, zone: Zone, options: { fraction?: boolean; seconds?: boolean } = {}): string {
  const { fraction = false, seconds = true } = options;
  return `${date(ms, zone)} ${clock(ms, zone, { fraction, seconds })}`;
}

/** `2026-07-01` */
export function date(ms: number, zone: Zone): string {
  const at = new Date(ms);
  const [y, m, d] =
    zone === "utc"
      ? [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()]
      : [at.getFullYear(), at.getMonth(), at.getDate()];
  return `${y}-${two(m + 1)}-${two(d)}`;
}

/** `12:00:00` */
export function clock(ms: number, zone: Zone, options: { fraction?: boolean; seconds?: boolean } = {}): string {
  const { fraction = false, seconds = true } = options;
  const at = new Date(ms);
  const [h, m, s] =
    zone === "utc"
      ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
      : [at.getHours(), at.getMinutes(), at.getSeconds()];
  const tail = fraction ? `.${String(((ms % 1_000) + 1_000) % 1_000 | 0).padStart(3, "0")}` : "";
  return `${two(h)}:${two(m)}${seconds ? `:${two(s)}` : ""}${tail}`;
}

/** The shortest form that is clear beside others of the same range: the day only if the range has several. */
export function tick(ms: number, zone: Zone, spanMs: number): string {
  if (spanMs > 3 * UNIT_MS.d) return date(ms, zone).slice(5);
  if (spanMs > UNIT_MS.d) return `${date(ms, zone).slice(5)} ${clock(ms, zone, { seconds: false })}`;
  return clock(ms, zone, { seconds: spanMs < 10 * UNIT_MS.m });
}

/** `12 s ago`, `3 min ago`, `2 h ago`, `4 d ago` */
export function ago(ms: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - ms) / 1_000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3_600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}

/** How long a range is, in the unit that people would say. */
export function spanLabel(ms: number): string {
  for (const [unit, size] of [["d", UNIT_MS.d], ["h", UNIT_MS.h], ["m", UNIT_MS.m]] as const) {
    if (ms >= size) {
      const value = ms / size;
      return `${Number.isInteger(value) ? value : value.toFixed(1)}${unit}`;
    }
  }
  return `${Math.max(1, Math.round(ms / 1_000))}s`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
