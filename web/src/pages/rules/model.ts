/** What the answer about rules means to who reads it: alerts in the order of their need, rules, and how many of each. */
import type { Alert, Rule, RuleGroup } from "../../api/prometheus";
import type { RulesSearch, State } from "./search";

export interface FoundAlert {
  alert: Alert;
  rule: Rule;
  /** Tells it from every other. */
  key: string;
  /** When it became active; a firing one was pending before, for as long as its rule's `for` says. */
  activeMs: number;
  /** What a search looks into, in small letters. */
  text: string;
}

export interface FoundRule {
  rule: Rule;
  text: string;
}

export interface FoundGroup {
  group: RuleGroup;
  rules: FoundRule[];
}

export interface Found {
  firing: FoundAlert[];
  pending: FoundAlert[];
  groups: FoundGroup[];
  /** Rules in each state; alerts where it is firing or pending. */
  counts: Record<State, number>;
  alertingRules: number;
  rules: number;
  /** Alerting rules that fail, and so tell nothing. */
  blind: number;
}

/** How much it matters, by the severities that people write. */
const SEVERITIES = [
  ["critical", "page", "emergency", "fatal"],
  ["error", "high", "major"],
  ["warning", "warn", "medium", "minor"],
];
const UNIMPORTANT = ["info", "low", "none", "debug"];

function weight({ labels }: Alert): number {
  const severity = (labels["severity"] ?? "").toLowerCase();
  const found = SEVERITIES.findIndex((names) => names.includes(severity));
  if (found >= 0) return found;
  return UNIMPORTANT.includes(severity) ? SEVERITIES.length + 1 : SEVERITIES.length;
}

/** The colour that an alert's severity has. */
export function severityTone(alert: Alert): "error" | "warn" | "calm" {
  return (["error", "error", "warn"] as const)[weight(alert)] ?? "calm";
}

/** Milliseconds until a pending alert fires, if it stays. */
export function waitMs({ rule, activeMs }: FoundAlert, nowMs: number): number {
  return activeMs + (rule.duration ?? 0) * 1_000 - nowMs;
}

/** Everything in the answer. Firing alerts come by severity and the newest first, pending ones as they are going to fire. */
export function read(groups: readonly RuleGroup[]): Found {
  const alerts = { firing: [] as FoundAlert[], pending: [] as FoundAlert[] };
  const counts: Found["counts"] = { firing: 0, pending: 0, inactive: 0, unknown: 0, failing: 0, recording: 0 };
  let blind = 0;
  const known = groups.map((group) => ({
    group,
    rules: group.rules.map((rule) => {
      if (rule.type === "recording") counts.recording += 1;
      if (rule.health === "err") {
        counts.failing += 1;
        if (rule.type === "alerting") blind += 1;
      } else if (rule.state === "inactive" || rule.state === "unknown") counts[rule.state] += 1;
      for (const alert of rule.alerts ?? []) {
        const text = textOf(rule.name, rule.query, group.name, alert.labels, alert.annotations);
        const key = `${group.file} ${group.name} ${rule.name} ${rule.query} ${JSON.stringify(alert.labels)}`;
        alerts[alert.state].push({ alert, rule, key, activeMs: Date.parse(alert.activeAt), text });
      }
      return { rule, text: textOf(rule.name, rule.query, group.name, rule.labels, rule.annotations, rule.lastError) };
    }),
  }));
  counts.firing = alerts.firing.length;
  counts.pending = alerts.pending.length;
  const rules = known.reduce((sum, { rules }) => sum + rules.length, 0);
  return {
    firing: alerts.firing.toSorted((a, b) => weight(a.alert) - weight(b.alert) || b.activeMs - a.activeMs),
    pending: alerts.pending.toSorted((a, b) => waitMs(a, 0) - waitMs(b, 0)),
    groups: known,
    counts,
    rules,
    alertingRules: rules - counts.recording,
    blind,
  };
}

function textOf(...parts: (string | Record<string, string> | undefined)[]): string {
  return parts
    .map((part) => (typeof part === "object" ? Object.entries(part).map(([name, value]) => `${name}=${value}`).join(" ") : part))
    .join(" ")
    .toLowerCase();
}

/** The part that a search wants. */
export function narrowed(found: Found, search: RulesSearch): Pick<Found, "firing" | "pending" | "groups"> {
  const wanted = (search.q ?? "").toLowerCase();
  const holds = ({ text }: { text: string }): boolean => text.includes(wanted);
  const alerts = (state: Alert["state"]): FoundAlert[] =>
    search.state === undefined || search.state === state ? found[state].filter(holds) : [];
  return {
    firing: alerts("firing"),
    pending: alerts("pending"),
    groups: found.groups
      .map(({ group, rules }) => ({ group, rules: rules.filter((one) => isIn(one.rule, search.state) && holds(one)) }))
      .filter(({ rules }) => rules.length > 0),
  };
}

function isIn(rule: Rule, state: State | undefined): boolean {
  if (state === undefined) return true;
  if (state === "failing") return rule.health === "err";
  if (state === "recording") return rule.type === "recording";
  // One that cannot be evaluated is not known to be at rest.
  if (state === "inactive" || state === "unknown") return rule.state === state && rule.health !== "err";
  // One that fires for one series may be pending for another.
  return rule.state === state || (rule.alerts ?? []).some((alert) => alert.state === state);
}
