import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { usePrometheus } from "../../api/prometheus";
import { exactPlural } from "../../lib/format";
import { untold, useAlertmanagers } from "../rules/notified";
import classes from "./overview.module.css";

const NAMED = 3;

/** That something fires, and what, and that Alertmanagers were not told; nothing otherwise. */
export function Firing(): ReactNode {
  return (
    <>
      <Fires />
      <Untold />
    </>
  );
}

function Untold(): ReactNode {
  const { data } = useAlertmanagers();
  const fault = data ? untold(data.data) : "";
  if (fault === "") return null;
  return (
    <p className={classes["firing"]}>
      <Link to="/explore/rules">{fault}</Link>
    </p>
  );
}

function Fires(): ReactNode {
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
