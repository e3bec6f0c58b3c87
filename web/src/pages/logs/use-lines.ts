import { keepPreviousData, useInfiniteQuery, type UseInfiniteQueryResult } from "@tanstack/react-query";
import { useMemo } from "react";
import { type ApiProblem, apiGet, type Schemas } from "../../api/client";
import { useTenant } from "../../state/tenant";
import { useTimeRange } from "../../state/time-range";
import type { Line } from "./line";

const FIRST_PAGE = 200;
const PAGE = 1_000;

type Pages = UseInfiniteQueryResult<{ pages: Schemas["LogPage"][] }, ApiProblem>;

/** The lines that match, page after page; the first page is small, so that it is there at once. */
export function useLines(q: string, order: "newest" | "oldest", enabled: boolean): { query: Pages; lines: Line[] } {
  const tenant = useTenant();
  const range = useTimeRange();
  const asked = { ...range.query, q, order };
  const query = useInfiniteQuery<Schemas["LogPage"], ApiProblem>({
    queryKey: [tenant ?? "", "logs", asked],
    queryFn: ({ pageParam, signal }) => {
      const page = typeof pageParam === "string" ? { cursor: pageParam, limit: PAGE } : { limit: FIRST_PAGE };
      return apiGet("/api/v1/logs", { params: { query: { ...asked, ...page } } }, tenant, signal);
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
