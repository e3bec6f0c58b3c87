import { flag, type RawSearch, text } from "../../state/search";

export interface TargetsSearch {
  /** What addresses, labels or errors must contain. */
  q?: string;
  /** Only those that fail. */
  failing?: true;
}

export function validateTargetsSearch(raw: RawSearch): TargetsSearch {
  return { q: text(raw, "q"), failing: flag(raw, "failing") };
}
