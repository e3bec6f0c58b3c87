import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import classes from "./metrics-nav.module.css";

const PAGES = [
  { to: "/explore", label: "Explore" },
  { to: "/explore/catalogue", label: "Catalogue" },
  { to: "/explore/targets", label: "Targets" },
  { to: "/explore/rules", label: "Rules" },
] as const;

/** The pages about metrics. */
export function MetricsNav(): ReactNode {
  return (
    <nav aria-label="Metrics" className={classes["nav"]}>
      {PAGES.map(({ to, label }) => (
        <Link key={to} to={to} activeOptions={{ exact: true, includeSearch: false }}>
          {label}
        </Link>
      ))}
    </nav>
  );
}
