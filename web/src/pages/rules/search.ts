import { flag, type RawSearch, text } from "../../state/search";

export interface RulesSearch {
  /** What names and expressions must contain. */
  q?: string;
  /** Only those that fail. */
  failing?: true;
}

export function validateRulesSearch(raw: RawSearch): RulesSearch {
  return { q: text(raw, "q"), failing: flag(raw, "failing") };
}
