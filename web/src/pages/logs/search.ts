import { type RawSearch, text } from "../../state/search";

export interface LogsSearch {
  q?: string;
}

export function validateLogsSearch(raw: RawSearch): LogsSearch {
  return { q: text(raw, "q") };
}
