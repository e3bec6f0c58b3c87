/** Figures as people read them. Every function takes one number in the unit that its name says. */

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const PLAIN = new Intl.NumberFormat("en");

/** A whole number, shortened from ten thousand on. */
export function count(value: number): string {
  return Math.abs(value) < 10_000 ? PLAIN.format(value) : COMPACT.format(value);
}

/** A whole number in full, with separators. */
export function exactCount(value: number): string {
  return PLAIN.format(value);
}

/** Nanoseconds with three significant digits. */
export function durationNs(ns: number | null | undefined): string {
  if (ns === null || ns === undefined || Number.isNaN(ns)) return "–";
  if (ns === 0) return "0";
  if (ns < 1_000) return `${Math.round(ns)} ns`;
  if (ns < 1_000_000) return `${significant(ns / 1_000)} µs`;
  if (ns < 1_000_000_000) return `${significant(ns / 1_000_000)} ms`;
  if (ns < 60_000_000_000) return `${significant(ns / 1_000_000_000)} s`;
  const seconds = Math.round(ns / 1_000_000_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Milliseconds with three significant digits. */
export function durationMs(ms: number | null | undefined): string {
  return ms === null || ms === undefined ? "–" : durationNs(ms * 1_000_000);
}

/**
 * Counts of steps as rates per second. The last step may still be going on: what it has is held against the part of it
 * that lies in the range, and where that is too little to say anything, nothing is said.
 */
export function rates(counts: readonly number[], startMs: number, stepSeconds: number, endMs: number): (number | null)[] {
  return counts.map((value, index) => {
    const covered = Math.min(stepSeconds, (endMs - startMs) / 1_000 - index * stepSeconds);
    return covered < stepSeconds / 4 ? null : value / covered;
  });
}

/** Something per second. */
export function rate(perSecond: number): string {
  if (perSecond === 0) return "0";
  if (perSecond < 0.1) return `${significant(perSecond * 60)}/min`;
  return perSecond < 10_000 ? `${significant(perSecond)}/s` : `${COMPACT.format(perSecond)}/s`;
}

/** A share of 1 as per cent. Small shares keep a digit, so that one error in a thousand is seen. */
export function share(value: number): string {
  if (value === 0) return "0 %";
  if (value < 0.0001) return "<0.01 %";
  const percent = value * 100;
  return `${percent < 1 ? percent.toFixed(2) : percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
}

/** Bytes in powers of 1024. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${significant(size)} B` : `${significant(size)} ${units[unit]}`;
}

/** A change against a former figure, with its sign. */
export function change(now: number, before: number): string {
  if (before === 0) return now === 0 ? "±0 %" : "new";
  const relative = (now - before) / before;
  const sign = relative >= 0 ? "+" : "−";
  const size = Math.abs(relative);
  return size >= 10 ? `${sign}${significant(size + 1)}×` : `${sign}${Math.round(size * 100)} %`;
}

/** What something is called when there are `n` of it. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** The same with every digit. */
export function exactPlural(n: number, one: string, many = `${one}s`): string {
  return `${exactCount(n)} ${n === 1 ? one : many}`;
}

function significant(value: number): string {
  if (value >= 100) return Math.round(value).toString();
  if (value >= 10) return trim(value.toFixed(1));
  return trim(value.toFixed(2));
}

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** Any figure with four significant digits, large ones shortened. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 10_000) return COMPACT.format(value);
  if (size < 0.0001) return value.toExponential(2);
  return trim(value.toPrecision(4));
}

/** A figure in a unit that Prometheus' names end in. */
export function inUnit(value: number, unit: "seconds" | "bytes" | ""): string {
  if (unit === "" || !Number.isFinite(value)) return Number.isFinite(value) ? figure(value) : String(value);
  const size = unit === "seconds" ? durationNs(Math.abs(value) * 1e9) : bytes(Math.abs(value));
  return value < 0 ? `−${size}` : size;
}

/** A value of any JSON type as text. */
export function valueText(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
