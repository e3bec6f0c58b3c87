import { keepPreviousData, useQuery, type UseQueryOptions, type UseQueryResult } from "@tanstack/react-query";
import { useTenant } from "../state/tenant";
import { ApiProblem, apiFetch } from "./client";

/** What Prometheus' own API answers, which the OpenAPI document leaves open. */
export interface PrometheusAnswer<T> {
  data: T;
  warnings: string[];
  infos: string[];
}

export type Labels = Record<string, string>;

/** Lower bound, upper bound and count of a bucket, after the rule that says which bounds belong to it. */
export type Bucket = [number, string, string, string];

export interface NativeHistogram {
  count: string;
  sum: string;
  buckets?: Bucket[];
}

export interface RangeSeries {
  metric: Labels;
  values?: [number, string][];
  histograms?: [number, NativeHistogram][];
}

export interface InstantSeries {
  metric: Labels;
  value?: [number, string];
  histogram?: [number, NativeHistogram];
}

export type InstantData =
  | { resultType: "vector"; result: InstantSeries[] }
  | { resultType: "matrix"; result: RangeSeries[] }
  | { resultType: "scalar" | "string"; result: [number, string] };

export interface RangeData {
  resultType: "matrix";
  result: RangeSeries[];
}

export interface ExemplarSeries {
  seriesLabels: Labels;
  exemplars: { labels: Labels; value: string; timestamp: number }[];
}

export type Metadata = Record<string, { type: string; help: string; unit: string }[]>;

export interface Target {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  scrapeInterval: string;
  scrapeTimeout: string;
  health: "up" | "down" | "unknown";
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
}

export interface Targets {
  activeTargets: Target[];
  droppedTargets: { discoveredLabels: Labels; scrapePool?: string }[];
  droppedTargetCounts: Record<string, number>;
}

/** What an alerting rule found: one series for which its expression holds, or held a moment ago. */
export interface Alert {
  labels: Labels;
  annotations: Labels;
  state: "firing" | "pending";
  activeAt: string;
  /** Since when it fires only because of the rule's `keep_firing_for`. */
  keepFiringSince?: string;
  value: string;
}

export interface Rule {
  name: string;
  query: string;
  type: "recording" | "alerting";
  health?: string;
  lastError?: string;
  lastEvaluation?: string;
  evaluationTime?: number;
  labels?: Labels;
  /** An alerting rule's `for` and `keep_firing_for` in seconds. */
  duration?: number;
  keepFiringFor?: number;
  annotations?: Labels;
  state?: "firing" | "pending" | "inactive" | "unknown";
  alerts?: Alert[];
}

export interface RuleGroup {
  name: string;
  file: string;
  interval: number;
  limit?: number;
  rules: Rule[];
  lastEvaluation?: string;
  evaluationTime?: number;
}

export interface Alertmanagers {
  /** `lastError`: why one did not take what it was told last. */
  activeAlertmanagers: { url: string; lastError?: string }[];
  droppedAlertmanagers: { url: string }[];
}

export interface TsdbStatus {
  headStats: { numSeries: number; numLabelPairs: number };
  seriesCountByMetricName: { name: string; value: number }[];
  labelValueCountByLabelName: { name: string; value: number }[];
}

interface Answers {
  query: InstantData;
  query_range: RangeData;
  query_exemplars: ExemplarSeries[];
  metadata: Metadata;
  targets: Targets;
  rules: { groups: RuleGroup[] };
  alerts: { alerts: Alert[] };
  alertmanagers: Alertmanagers;
  "status/tsdb": TsdbStatus;
}

export type PrometheusPath = keyof Answers;
export type PrometheusParameters = Record<string, string | number>;

/** Expressions can be longer than an address; they are sent as a form. */
const AS_FORM = new Set<PrometheusPath>(["query", "query_range", "query_exemplars"]);

const FAILED_AT = /(?:^|: )(\d+):(\d+): parse error/;

/** One question to Prometheus' API. Rejects with `ApiProblem`, whose position is that of the expression's error. */
export async function askPrometheus<P extends PrometheusPath>(
  path: P,
  parameters: PrometheusParameters,
  tenant: string | undefined,
  signal?: AbortSignal,
): Promise<PrometheusAnswer<Answers[P]>> {
  const form = new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)]));
  const address = `/prometheus/api/v1/${path}`;
  try {
    const response = AS_FORM.has(path)
      ? await apiFetch(address, tenant, { method: "POST", body: form, ...(signal ? { signal } : {}) })
      : await apiFetch(`${address}?${form.toString()}`, tenant, signal ? { signal } : {});
    const body = (await response.json()) as Partial<PrometheusAnswer<Answers[P]>>;
    return { data: body.data as Answers[P], warnings: body.warnings ?? [], infos: body.infos ?? [] };
  } catch (error) {
    throw error instanceof ApiProblem ? located(error, String(parameters["query"] ?? "")) : error;
  }
}

/** The problem with the offset that its `line:column` means. */
function located(problem: ApiProblem, expression: string): ApiProblem {
  const match = FAILED_AT.exec(problem.message);
  const text = problem.message.replace(/^invalid parameter "query": /, "");
  if (!match) return new ApiProblem(problem.status, problem.title, text, null);
  const before = expression.split("\n").slice(0, Number(match[1]) - 1);
  const position = before.reduce((sum, line) => sum + line.length + 1, 0) + Number(match[2]) - 1;
  return new ApiProblem(problem.status, "Not an expression", text, Math.min(position, expression.length));
}

/** How TanStack Query asks Prometheus' API; the former answer stays while asking. */
export function prometheusQuery<P extends PrometheusPath>(
  path: P,
  parameters: PrometheusParameters,
  tenant: string | undefined,
): UseQueryOptions<PrometheusAnswer<Answers[P]>, ApiProblem> {
  return {
    queryKey: [tenant ?? "", "prometheus", path, parameters],
    queryFn: ({ signal }) => askPrometheus(path, parameters, tenant, signal),
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData as never,
  };
}

/** One question to Prometheus' API in the current tenant. */
export function usePrometheus<P extends PrometheusPath>(
  path: P,
  parameters: PrometheusParameters,
  options: { enabled?: boolean; freshSeconds?: number } = {},
): UseQueryResult<PrometheusAnswer<Answers[P]>, ApiProblem> {
  const tenant = useTenant();
  const { enabled = true, freshSeconds = Number.POSITIVE_INFINITY } = options;
  return useQuery<PrometheusAnswer<Answers[P]>, ApiProblem>({
    ...prometheusQuery(path, parameters, tenant),
    enabled,
    staleTime: freshSeconds * 1_000,
  });
}
