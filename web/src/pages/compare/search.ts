import { type RawSearch, text } from "../../state/search";

export interface CompareSearch {
  /** Ids of the two traces. */
  a?: string;
  b?: string;
}

export function validateCompareSearch(raw: RawSearch): CompareSearch {
  return { a: text(raw, "a"), b: text(raw, "b") };
}
