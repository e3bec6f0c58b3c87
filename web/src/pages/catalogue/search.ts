import { type RawSearch, text } from "../../state/search";

export interface CatalogueSearch {
  /** What names and helps must contain. */
  q?: string;
  type?: string;
  /** The metric that is open. */
  metric?: string;
}

export function validateCatalogueSearch(raw: RawSearch): CatalogueSearch {
  return { q: text(raw, "q"), type: text(raw, "type"), metric: text(raw, "metric") };
}
