/**
 * Every page's path and the modules that it shows first. The build tells the server which files these are in, and the
 * document of a page names them, so that they come together and not one after the other.
 */
export const PAGES: Record<string, string[]> = {
  "/": ["pages/overview/page"],
  "/services": ["pages/services/page"],
  "/services/$service": ["pages/service/page"],
  "/map": ["pages/map/page", "components/graph/flow-graph"],
  "/traces": ["pages/traces/page"],
  "/traces/$traceId": ["pages/trace/page"],
  "/compare": ["pages/compare/page"],
  "/logs": ["pages/logs/page"],
  "/explore": ["pages/explore/page", "components/editor/promql-editor"],
  "/explore/catalogue": ["pages/catalogue/page"],
  "/explore/targets": ["pages/targets/page"],
  "/explore/rules": ["pages/rules/page"],
  "/sql": ["pages/sql/page", "components/editor/sql-editor"],
};
