import { ask } from "../../api/client";

export function sqlAsks() {
  return {
    schema: ask("/api/v1/sql/schema", {}),
    views: ask("/api/v1/views", { params: { query: { page: "sql" } } }),
  };
}
