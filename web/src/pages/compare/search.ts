import { flag, type RawSearch, text } from "../../state/search";

export interface CompareSearch {
  /** Ids of the two traces. */
  a?: string;
  b?: string;
  /** Whether operations are compared, wherever they were called, and not calls. */
  operations?: true;
}

export function validateCompareSearch(raw: RawSearch): CompareSearch {
  return { a: text(raw, "a"), b: text(raw, "b"), operations: flag(raw, "operations") };
}
