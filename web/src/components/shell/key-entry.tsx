import { Button, PasswordInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { setApiKey } from "../../state/key";
import { useApiKey } from "../../state/use-key";
import { Panel } from "../view/panel";
import { Problem } from "../view/problem";
import classes from "./shell.module.css";

/** Asks for a key; `error` is what the server said of the one that it has, or of none. */
export function KeyEntry({ error }: { error: Error }): ReactNode {
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
