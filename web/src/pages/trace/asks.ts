import { ask } from "../../api/client";

export function traceAsks(traceId: string) {
  return { outline: ask("/api/v1/traces/{trace_id}/outline", { params: { path: { trace_id: traceId } } }) };
}
