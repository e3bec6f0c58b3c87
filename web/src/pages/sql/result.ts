import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { ApiProblem, apiFetch } from "../../api/client";
import { useTenant } from "../../state/tenant";

export interface ResultColumn {
  name: string;
  type: string;
}

export interface SqlResult {
  columns: ResultColumn[];
  rows: unknown[][];
  /** Whether the statement has more rows than are shown. */
  cut: boolean;
  seconds: number;
}

/** Rows that a page shows; a file has all of them. */
export const MOST_ROWS = 20_000;

/** The answer to a statement; it is asked once, and again when `turn` changes. */
export function useResult(sql: string | undefined, turn: number): UseQueryResult<SqlResult, ApiProblem> {
  const tenant = useTenant();
  return useQuery<SqlResult, ApiProblem>({
    queryKey: [tenant ?? "", "sql", sql, turn],
    queryFn: ({ signal }) => run(sql ?? "", tenant, signal),
    enabled: sql !== undefined && sql.trim() !== "",
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
}

async function run(sql: string, tenant: string | undefined, signal: AbortSignal): Promise<SqlResult> {
  const began = performance.now();
  const response = await apiFetch("/api/v1/sql?format=JSONCompactEachRowWithNamesAndTypes", tenant, {
    method: "POST",
    body: sql,
    signal,
  });
  const text = await rowsOf(response);
  const seconds = (performance.now() - began) / 1_000;
  const [names = "[]", types = "[]", ...lines] = text.rows;
  try {
    const columnNames = JSON.parse(names) as string[];
    const columnTypes = JSON.parse(types) as string[];
    return {
      columns: columnNames.map((name, index) => ({ name, type: columnTypes[index] ?? "" })),
      rows: lines.map((line) => JSON.parse(line) as unknown[]),
      cut: text.cut,
      seconds,
    };
  } catch {
    // A FORMAT clause of the statement's own wins over the page's.
    return { columns: [{ name: "", type: "String" }], rows: text.rows.map((line) => [line]), cut: text.cut, seconds };
  }
}

/** The lines of the answer, up to as many as a page shows; what is beyond is not waited for. */
async function rowsOf(response: Response): Promise<{ rows: string[]; cut: boolean }> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const rows: string[] = [];
  let rest = "";
  if (reader === undefined) return { rows, cut: false };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const pieces = (rest + value).split("\n");
    rest = pieces.pop() ?? "";
    for (const piece of pieces) rows.push(piece);
    if (rows.length > MOST_ROWS + 2) {
      await reader.cancel();
      return { rows: rows.slice(0, MOST_ROWS + 2), cut: true };
    }
  }
  if (rest !== "") rows.push(rest);
  return { rows, cut: false };
}

const NUMERIC = /^(?:Nullable\(|LowCardinality\()*(?:U?Int|Float|Decimal)/;
const TEMPORAL = /^(?:Nullable\(|LowCardinality\()*Date/;

export function isNumeric({ type }: ResultColumn): boolean {
  return NUMERIC.test(type);
}

export function isTemporal({ type }: ResultColumn): boolean {
  return TEMPORAL.test(type);
}

/** A cell as text. */
export function cellText(value: unknown): string {
  if (value === null) return "NULL";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Milliseconds of ClickHouse's own form of a time, which is UTC. */
export function timeMs(value: unknown): number {
  return Date.parse(`${String(value).replace(" ", "T").slice(0, 23)}${String(value).length > 10 ? "Z" : "T00:00:00Z"}`);
}
