import { flag, type RawSearch, text, texts } from "../../state/search";

export interface LogsSearch {
  /** A query in Lucene's syntax, as `GET /api/v1/logs?q=` takes it. */
  q?: string;
  /** Patterns instead of lines. */
  patterns?: true;
  /** The oldest first. */
  oldest?: true;
  /** Fields that are columns of the list. */
  columns?: string[];
  /** Fields whose values are counted beside the list, besides the common ones. */
  facets?: string[];
  /** The line that is open. */
  line?: string;
  /** Whether new lines are followed as they come in. */
  live?: true;
}

export function validateLogsSearch(raw: RawSearch): LogsSearch {
  return {
    q: text(raw, "q"),
    patterns: flag(raw, "patterns"),
    oldest: flag(raw, "oldest"),
    columns: texts(raw, "columns"),
    facets: texts(raw, "facets"),
    line: text(raw, "line"),
    live: flag(raw, "live"),
  };
}
