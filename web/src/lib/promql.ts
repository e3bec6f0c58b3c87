/** PromQL as text: names, selectors, and what one would ask of a metric. */

import type { Labels, Metadata } from "../api/prometheus";

const PLAIN_METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const FAMILY = /_(bucket|count|sum)$/;
const COUNTER = /_(total|count|sum)$/;
/** `name`, `name{…}`, `{"name"}`, `{"name",…}`: a selector and nothing else. */
const SELECTOR = /^\s*(?:([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{[^{}]*\})?|\{\s*"([^"\\]+)"[^{}]*\})\s*$/;

export function isPlainMetric(name: string): boolean {
  return PLAIN_METRIC.test(name);
}

export function isPlainLabel(name: string): boolean {
  return PLAIN_LABEL.test(name);
}

/** A text as PromQL quotes it. */
export function quotedText(value: string): string {
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

/** The selector of a metric; names with dots and other characters stand in quotation marks within braces. */
export function selector(name: string): string {
  return isPlainMetric(name) ? name : `{${quotedText(name)}}`;
}

/** A series as Prometheus writes it. `without` are labels that need not be said. */
export function seriesText(metric: Labels, without: ReadonlySet<string> = new Set()): string {
  const name = without.has("__name__") ? undefined : metric["__name__"];
  const pairs = Object.entries(metric)
    .filter(([label]) => label !== "__name__" && !without.has(label))
    .map(([label, value]) => `${isPlainLabel(label) ? label : quotedText(label)}=${quotedText(value)}`);
  if (name === undefined) return `{${pairs.join(", ")}}`;
  if (!isPlainMetric(name)) return `{${[quotedText(name), ...pairs].join(", ")}}`;
  return pairs.length === 0 ? name : `${name}{${pairs.join(", ")}}`;
}

/** The labels that all of several series have with one value: they tell nothing apart. */
export function commonLabels(series: readonly Labels[]): Set<string> {
  const [first, ...rest] = series;
  if (first === undefined || rest.length === 0) return new Set();
  return new Set(Object.keys(first).filter((label) => rest.every((other) => other[label] === first[label])));
}

/** The metric that a series belongs to: a histogram's `_bucket`, `_count` and `_sum` are one. */
export function familyOf(name: string, metadata: Metadata): string {
  if (metadata[name] !== undefined) return name;
  const family = name.replace(FAMILY, "");
  return metadata[family] === undefined ? name : family;
}

const UNITS = [["d", 86_400], ["h", 3_600], ["m", 60], ["s", 1]] as const;

/** A duration as Prometheus writes it, such as `1h30m`. */
export function durationText(seconds: number): string {
  let left = Math.round(seconds * 1_000) / 1_000;
  const parts = UNITS.map(([unit, size]) => {
    const whole = Math.floor(left / size);
    left -= whole * size;
    return whole > 0 ? `${whole}${unit}` : "";
  });
  const ms = Math.round(left * 1_000);
  return parts.join("") + (ms > 0 ? `${ms}ms` : "") || "0s";
}

/** `rate` needs some samples within its window. */
export function windowFor(rangeMs: number): string {
  return rangeMs < 1_800_000 ? "1m" : "5m";
}

export interface Hint {
  text: string;
  /** The expression that the hint leads to. */
  better: string;
}

/** What is better asked than a bare selector of a counter or of a histogram; nothing for any other expression. */
export function hintFor(expression: string, metadata: Metadata, rangeMs: number): Hint | null {
  const match = SELECTOR.exec(expression);
  const name = match?.[1] ?? match?.[2];
  if (name === undefined) return null;
  const window = windowFor(rangeMs);
  const selected = expression.trim();
  const type = metadata[name]?.[0]?.type ?? "";
  if (name.endsWith("_bucket")) {
    return {
      text: "These are the buckets of a histogram.",
      better: `histogram_quantile(0.95, sum by (le) (rate(${selected}[${window}])))`,
    };
  }
  if (type === "histogram" || type === "gaugehistogram") {
    return { text: "This is a histogram.", better: `histogram_quantile(0.95, sum(rate(${selected}[${window}])))` };
  }
  if (type === "counter" || (type === "" && COUNTER.test(name))) {
    return { text: "A counter only grows; its rate says more.", better: `rate(${selected}[${window}])` };
  }
  return null;
}

/** What one would look at first of a metric. `names` are the names that its series have. */
export function firstLook(family: string, type: string, names: readonly string[], rangeMs: number): string {
  const window = windowFor(rangeMs);
  if (names.includes(`${family}_bucket`)) {
    return `histogram_quantile(0.95, sum by (le, job) (rate(${selector(`${family}_bucket`)}[${window}])))`;
  }
  if (type === "histogram") return `histogram_quantile(0.95, sum by (job) (rate(${selector(family)}[${window}])))`;
  if (type === "counter" || COUNTER.test(family)) return `sum by (job) (rate(${selector(family)}[${window}]))`;
  return selector(names[0] ?? family);
}

/** The unit that an expression's values have, as far as its text says so. */
export function unitOf(expression: string): "seconds" | "bytes" | "" {
  const counted = /\b(rate|irate|increase|count|histogram_count|changes|resets|deriv|group)\s*(by|without)?\s*\(/.test(
    expression.replaceAll(/histogram_(quantile|avg|stddev)/g, ""),
  );
  const observed = /histogram_(quantile|avg|stddev)/.test(expression);
  if (counted && !observed) return "";
  if (/[._]seconds\b|[._]seconds_(bucket|sum)/.test(expression)) return "seconds";
  return /[._]bytes\b|[._]bytes_(bucket|sum)/.test(expression) ? "bytes" : "";
}
