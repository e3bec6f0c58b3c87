import type { ReactNode } from "react";
import { ApiProblem } from "../../api/client";
import classes from "./view.module.css";

/** An error in the words of the server. */
export function Problem({ error }: { error: Error }): ReactNode {
  const title = error instanceof ApiProblem ? error.title : "This part of the page failed";
  return (
    <div className={classes["problem"]} role="alert">
      <strong>{title}</strong>
      <span>{error.message}</span>
    </div>
  );
}
