import { type RawSearch, text } from "../../state/search";

export interface SqlSearch {
  sql?: string;
}

export function validateSqlSearch(raw: RawSearch): SqlSearch {
  return { sql: text(raw, "sql") };
}
