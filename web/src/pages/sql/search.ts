import { oneOf, type RawSearch, text } from "../../state/search";

export interface SqlSearch {
  sql?: string;
  /** How the result is shown; missing: as a table. */
  chart?: "line" | "bars";
}

export function validateSqlSearch(raw: RawSearch): SqlSearch {
  return { sql: text(raw, "sql"), chart: oneOf(raw, "chart", ["line", "bars"]) };
}
