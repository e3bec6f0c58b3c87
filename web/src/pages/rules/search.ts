import { oneOf, type RawSearch, text } from "../../state/search";

/** What alerts and rules can be narrowed to; `failing` are rules whose evaluation fails. */
export const STATES = ["firing", "pending", "inactive", "unknown", "failing", "recording"] as const;
export type State = (typeof STATES)[number];

export interface RulesSearch {
  /** What an alert or a rule must contain. */
  q?: string;
  state?: State;
}

export function validateRulesSearch(raw: RawSearch): RulesSearch {
  return { q: text(raw, "q"), state: oneOf(raw, "state", STATES) };
}
