import { lazy, type ReactNode, Suspense } from "react";
import { useGet } from "../../api/use-get";
import { Problem } from "../view/problem";
import classes from "./shell.module.css";

const KeyEntry = lazy(async () => ({ default: (await import("./key-entry")).KeyEntry }));

/** Shows the page to whom the server lets in, and asks others for a key. */
export function AccessGate({ children }: { children: ReactNode }): ReactNode {
  const session = useGet("/api/v1/session", {}, { freshSeconds: 30 });
  if (session.error?.status === 401 || session.error?.status === 403) {
    return (
      <Suspense>
        <KeyEntry error={session.error} />
      </Suspense>
    );
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
