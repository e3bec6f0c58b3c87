import { Button, PasswordInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useGet } from "../../api/use-get";
import { setApiKey } from "../../state/key";
import { useApiKey } from "../../state/use-key";
import { Panel } from "../view/panel";
import { Problem } from "../view/problem";
import classes from "./shell.module.css";

/** Shows the page to whom the server lets in, and asks others for a key. */
export function AccessGate({ children }: { children: ReactNode }): ReactNode {
  const session = useGet("/api/v1/session", {}, { freshSeconds: 30 });
  if (session.error?.status === 401 || session.error?.status === 403) return <KeyEntry error={session.error} />;
  if (session.error?.status === 400) {
    return (
      <div className={classes["gate"]}>
        <Problem error={session.error} />
      </div>
    );
  }
  return children;
}

function KeyEntry({ error }: { error: Error }): ReactNode {
  const [typed, setTyped] = useState("");
  const queries = useQueryClient();
  const held = useApiKey();
  return (
    <div className={classes["gate"]}>
      <Panel title="This server asks for an API key">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            setApiKey(typed.trim());
            void queries.resetQueries();
          }}
        >
          {held !== null && <Problem error={error} />}
          <PasswordInput
            my="sm"
            label="API key"
            description="It needs the scope read. It stays in this tab and goes when the tab is closed."
            placeholder="vdt_…"
            autoComplete="off"
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            data-autofocus
          />
          <Button type="submit" disabled={typed.trim() === ""}>
            Open
          </Button>
        </form>
      </Panel>
      <p className="dim">
        Whoever runs the server makes one with <code>vedette key create --scope read</code>.
      </p>
    </div>
  );
}
