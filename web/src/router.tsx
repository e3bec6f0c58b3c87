import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
  retainSearchParams,
} from "@tanstack/react-router";
import { Problem } from "./components/view/problem";
import { Shell } from "./components/shell/shell";
import { validateCatalogueSearch } from "./pages/catalogue/search";
import { validateCompareSearch } from "./pages/compare/search";
import { validateExploreSearch } from "./pages/explore/search";
import { validateLogsSearch } from "./pages/logs/search";
import { validateMapSearch } from "./pages/map/search";
import { MissingPage } from "./pages/missing/page";
import { validateServiceSearch } from "./pages/service/search";
import { validateServicesSearch } from "./pages/services/search";
import { validateSqlSearch } from "./pages/sql/search";
import { validateTargetsSearch } from "./pages/targets/search";
import { validateRulesSearch } from "./pages/rules/search";
import { validateTraceSearch } from "./pages/trace/search";
import { validateTracesSearch } from "./pages/traces/search";
import { GLOBAL_KEYS, validateGlobalSearch } from "./state/search";

const root = createRootRoute({
  component: Shell,
  notFoundComponent: MissingPage,
  errorComponent: ({ error }) => <Problem error={error instanceof Error ? error : new Error(String(error))} />,
  validateSearch: validateGlobalSearch,
  search: { middlewares: [retainSearchParams([...GLOBAL_KEYS])] },
});

/** One route for one page; its code is loaded when it is first shown. */
const routes = [
  createRoute({
    getParentRoute: () => root,
    path: "/",
    component: lazyRouteComponent(() => import("./pages/overview/page"), "OverviewPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/services",
    validateSearch: validateServicesSearch,
    component: lazyRouteComponent(() => import("./pages/services/page"), "ServicesPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/services/$service",
    validateSearch: validateServiceSearch,
    component: lazyRouteComponent(() => import("./pages/service/page"), "ServicePage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/map",
    validateSearch: validateMapSearch,
    component: lazyRouteComponent(() => import("./pages/map/page"), "MapPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/traces",
    validateSearch: validateTracesSearch,
    component: lazyRouteComponent(() => import("./pages/traces/page"), "TracesPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/traces/$traceId",
    validateSearch: validateTraceSearch,
    component: lazyRouteComponent(() => import("./pages/trace/page"), "TracePage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/compare",
    validateSearch: validateCompareSearch,
    component: lazyRouteComponent(() => import("./pages/compare/page"), "ComparePage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/logs",
    validateSearch: validateLogsSearch,
    component: lazyRouteComponent(() => import("./pages/logs/page"), "LogsPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/explore",
    validateSearch: validateExploreSearch,
    component: lazyRouteComponent(() => import("./pages/explore/page"), "ExplorePage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/explore/catalogue",
    validateSearch: validateCatalogueSearch,
    component: lazyRouteComponent(() => import("./pages/catalogue/page"), "CataloguePage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/explore/targets",
    validateSearch: validateTargetsSearch,
    component: lazyRouteComponent(() => import("./pages/targets/page"), "TargetsPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/explore/rules",
    validateSearch: validateRulesSearch,
    component: lazyRouteComponent(() => import("./pages/rules/page"), "RulesPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/sql",
    validateSearch: validateSqlSearch,
    component: lazyRouteComponent(() => import("./pages/sql/page"), "SqlPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/overview",
    beforeLoad: () => {
      throw redirect({ to: "/" });
    },
  }),
] as const;

export const router = createRouter({
  routeTree: root.addChildren(routes),
  defaultPreload: "intent",
  defaultPendingMs: 200,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
