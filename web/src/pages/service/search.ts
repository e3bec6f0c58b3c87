import { oneOf, type RawSearch, text } from "../../state/search";

export const SERVICE_TABS = ["operations", "dependencies", "errors", "logs", "instances", "releases"] as const;
export type ServiceTab = (typeof SERVICE_TABS)[number];

export interface ServiceSearch {
  tab?: ServiceTab;
  /** Only this operation. */
  operation?: string;
  /** Releases that are compared. */
  base?: string;
  release?: string;
}

export function validateServiceSearch(raw: RawSearch): ServiceSearch {
  return {
    tab: oneOf(raw, "tab", SERVICE_TABS),
    operation: text(raw, "operation"),
    base: text(raw, "base"),
    release: text(raw, "release"),
  };
}
