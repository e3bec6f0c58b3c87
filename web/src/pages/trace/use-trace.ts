import { useMemo } from "react";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ApiProblem, Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { traceAsks } from "./asks";
import { buildTrace, type TraceModel } from "./model";

/** One trace by its id, laid out. */
export function useTrace(traceId: string | undefined): {
  trace: TraceModel | null;
  query: UseQueryResult<Schemas["TraceOutline"], ApiProblem>;
} {
  const query = useGet(...traceAsks(traceId ?? "").outline, { enabled: traceId !== undefined, keep: false });
  const trace = useMemo(() => (query.data ? buildTrace(query.data) : null), [query.data]);
  return { trace, query };
}
