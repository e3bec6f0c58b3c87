import { useDebouncedValue } from "@mantine/hooks";
import { useMemo } from "react";
import { useGet } from "../../api/use-get";
import type { TraceModel } from "./model";

/** The spans that a text is found in. The server looks, because it has the attributes. */
export function useFound(trace: TraceModel, find: string | undefined): { matches: number[] | null; problem: string | null } {
  const [asked] = useDebouncedValue(find, 200);
  const query = useGet(
    "/api/v1/traces/{trace_id}/matches",
    { params: { path: { trace_id: trace.traceId }, query: { q: asked ?? "" } } },
    { enabled: asked !== undefined },
  );
  const matches = useMemo(() => {
    if (find === undefined || query.data === undefined) return null;
    const ids = query.data.span_id.map((id) => trace.indexOf.get(id)).filter((span) => span !== undefined);
    const place = new Map<number, number>();
    for (const [index, span] of trace.order.entries()) place.set(span, index);
    return ids.toSorted((a, b) => (place.get(a) ?? 0) - (place.get(b) ?? 0));
  }, [find, query.data, trace]);
  return { matches, problem: find !== undefined && query.isError ? query.error.message : null };
}
