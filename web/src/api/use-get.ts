import { keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useTenant } from "../state/tenant";
import { type ApiProblem, apiGet, type GetData, type GetInit, type GetPath } from "./client";

export interface GetOptions {
  /** Ask only if this holds. */
  enabled?: boolean;
  /** Whether the former answer stays on the page until the next one comes. Default: yes. */
  keep?: boolean;
  /** Seconds for which an answer is as good as a new one. Default: until the range or refresh changes. */
  freshSeconds?: number;
}

/** One GET of the API in the current tenant, cached by path and parameters; the former answer stays while asking. */
export function useGet<P extends GetPath>(
  path: P,
  init: GetInit<P>,
  options: GetOptions = {},
): UseQueryResult<GetData<P>, ApiProblem> {
  const tenant = useTenant();
  const { enabled = true, keep = true, freshSeconds = Number.POSITIVE_INFINITY } = options;
  return useQuery<GetData<P>, ApiProblem>({
    queryKey: [tenant ?? "", path, init],
    queryFn: ({ signal }: { signal: AbortSignal }) => apiGet(path, init, tenant, signal),
    enabled,
    staleTime: freshSeconds * 1_000,
    ...(keep ? { placeholderData: keepPreviousData as never } : {}),
  });
}
