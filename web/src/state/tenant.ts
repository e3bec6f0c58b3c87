import { useSearch } from "@tanstack/react-router";
import type { GlobalSearch } from "./search";

/** The tenant that the address names; nothing means the caller's own. */
export function useTenant(): string | undefined {
  return useSearch({ strict: false, select: (search: GlobalSearch) => search.tenant });
}
