import {
  IconActivity,
  IconBinaryTree,
  IconChartLine,
  IconDatabaseSearch,
  IconFileText,
  IconGauge,
  IconServer2,
  type TablerIcon,
} from "@tabler/icons-react";

export interface NavigationItem {
  to: "/" | "/services" | "/map" | "/traces" | "/logs" | "/explore" | "/sql";
  label: string;
  icon: TablerIcon;
  /** After `g`, the key that goes there. */
  key: string;
}

export const NAVIGATION: readonly NavigationItem[] = [
  { to: "/", label: "Overview", icon: IconGauge, key: "o" },
  { to: "/services", label: "Services", icon: IconServer2, key: "s" },
  { to: "/map", label: "Map", icon: IconBinaryTree, key: "m" },
  { to: "/traces", label: "Traces", icon: IconActivity, key: "t" },
  { to: "/logs", label: "Logs", icon: IconFileText, key: "l" },
  { to: "/explore", label: "Metrics", icon: IconChartLine, key: "e" },
  { to: "/sql", label: "SQL", icon: IconDatabaseSearch, key: "q" },
];
