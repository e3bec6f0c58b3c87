import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { usePrometheus } from "../../api/prometheus";
import { exactPlural } from "../../lib/format";
import classes from "./overview.module.css";

const NAMED = 3;

/** That something fires, and what; nothing otherwise. */
export function Firing(): ReactNode {
  const answer = usePrometheus("alerts", {}, { freshSeconds: 1 });
  const firing = (answer.data?.data.alerts ?? []).filter(({ state }) => state === "firing");
  if (firing.length === 0) return null;
  const names = [...new Set(firing.map(({ labels }) => labels["alertname"] ?? ""))];
  return (
    <p className={classes["firing"]} role="status">
      <Link to="/explore/rules" search={{ state: "firing" }}>
        {exactPlural(firing.length, "alert")} {firing.length === 1 ? "fires" : "fire"}
      </Link>
      : {names.slice(0, NAMED).join(", ")}
      {names.length > NAMED && ` and ${names.length - NAMED} more`}
    </p>
  );
}
