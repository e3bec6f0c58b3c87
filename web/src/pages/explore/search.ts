import { flag, oneOf, type RawSearch, text, texts } from "../../state/search";

export interface ExploreSearch {
  /** Expressions. */
  q?: string[];
  /** Letters of the queries that are left out, such as `BC`. */
  off?: string;
  /** What the answer is shown as; missing: a graph. */
  as?: "table" | "heat";
  stacked?: true;
  /** Distance of the points in seconds; missing: chosen by the range. */
  step?: string;
  /** Whether exemplars are shown. */
  exemplars?: true;
  /** The series that alone is drawn, as the legend names it. */
  only?: string;
}

export function validateExploreSearch(raw: RawSearch): ExploreSearch {
  const step = text(raw, "step");
  return {
    q: texts(raw, "q"),
    off: text(raw, "off"),
    as: oneOf(raw, "as", ["table", "heat"]),
    stacked: flag(raw, "stacked"),
    step: step !== undefined && Number(step) > 0 ? step : undefined,
    exemplars: flag(raw, "exemplars"),
    only: text(raw, "only"),
  };
}
