import type { ReactNode } from "react";
import { useGet } from "../../api/use-get";
import { later } from "../view/later";
import { Problem } from "../view/problem";
import classes from "./shell.module.css";

const KeyEntry = later(async () => (await import("./key-entry")).KeyEntry);

/** Shows the page to whom the server lets in, and asks others for a key. */
export function AccessGate({ children }: { children: ReactNode }): ReactNode {
  const session = useGet("/api/v1/session", {}, { freshSeconds: 30 });
  if (session.error?.status === 401 || session.error?.status === 403) {
    return <KeyEntry error={session.error} />;
  }
  if (session.error?.status === 400) {
    return (
      <div className={classes["gate"]}>
        <Problem error={session.error} />
      </div>
    );
  }
  return children;
}
