import { keepPreviousData, useInfiniteQuery, type UseInfiniteQueryResult } from "@tanstack/react-query";
import { useMemo } from "react";
import { type ApiProblem, apiGet, type Schemas } from "../../api/client";
import { useTenant } from "../../state/tenant";
import { useTimeRange } from "../../state/time-range";
import { linesAsk } from "./asks";
import type { Line } from "./line";
import type { LogsSearch } from "./search";

type Pages = UseInfiniteQueryResult<{ pages: Schemas["LogPage"][] }, ApiProblem>;

/** The lines that match, page after page. */
export function useLines(search: LogsSearch, enabled: boolean): { query: Pages; lines: Line[] } {
  const tenant = useTenant();
  const range = useTimeRange();
  const query = useInfiniteQuery<Schemas["LogPage"], ApiProblem>({
    queryKey: [tenant ?? "", "logs", linesAsk(search, range.query)],
    queryFn: ({ pageParam, signal }) => {
      const cursor = typeof pageParam === "string" ? pageParam : undefined;
      return apiGet(...linesAsk(search, range.query, cursor), tenant, signal);
    },
    initialPageParam: null,
    getNextPageParam: (last) => last.next_cursor,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
    enabled,
  }) as unknown as Pages;
  const lines = useMemo(() => query.data?.pages.flatMap((page) => page.logs) ?? [], [query.data]);
  return { query, lines };
}
