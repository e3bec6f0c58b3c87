import { ActionIcon, Button, Menu } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { IconBookmark, IconTrash } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { apiFetch, type Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { useTenant } from "../../state/tenant";
import { later } from "../view/later";
import classes from "./saved-views.module.css";

type View = Schemas["View"];

const SaveDialog = later(async () => (await import("./save-dialog")).SaveDialog);

/**
 * The views that are saved for a page: open one, save what is shown, delete one.
 * `state` is what a link to the page would carry; what is undefined in it is left out.
 */
export function SavedViews(props: {
  page: string;
  state: object;
  onOpen: (state: Record<string, unknown>) => void;
}): ReactNode {
  const { page, state, onOpen } = props;
  const [saving, setSaving] = useState(false);
  const [problem, setProblem] = useState<Error | null>(null);
  const tenant = useTenant();
  const client = useQueryClient();
  const views = useGet("/api/v1/views", { params: { query: { page } } }, { freshSeconds: 30 });
  const send = async (method: "POST" | "DELETE", path: string, body?: object): Promise<boolean> => {
    setProblem(null);
    try {
      await apiFetch(`/api/v1/views${path}`, tenant, {
        method,
        ...(body ? { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } } : {}),
      });
    } catch (error) {
      setProblem(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
    await client.invalidateQueries({ queryKey: [tenant ?? "", "/api/v1/views"] });
    return true;
  };
  const found = views.data?.views ?? [];
  return (
    <>
      <Menu position="bottom-end" shadow="md" width={280} withinPortal>
        <Menu.Target>
          <Button variant="default" leftSection={<IconBookmark size={14} />}>
            Views
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {found.length === 0 && <Menu.Label>No view is saved yet.</Menu.Label>}
          {found.map((view) => (
            <ViewItem
              key={view.id}
              view={view}
              onOpen={() => onOpen(view.state)}
              onDelete={() => void send("DELETE", `/${view.id}`)}
            />
          ))}
          <Menu.Divider />
          <Menu.Item onClick={() => setSaving(true)}>Save this view…</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {saving && (
        <SaveDialog
          problem={problem}
          onClose={() => {
            setSaving(false);
            setProblem(null);
          }}
          onSave={async (name) => {
            if (await send("POST", "", { page, name, state })) setSaving(false);
          }}
        />
      )}
    </>
  );
}

function ViewItem({ view, onOpen, onDelete }: { view: View; onOpen: () => void; onDelete: () => void }): ReactNode {
  return (
    <div className={classes["item"]}>
      <Menu.Item onClick={onOpen} className={classes["open"]}>
        {view.name}
      </Menu.Item>
      <ActionIcon title="Delete for everybody" onClick={onDelete} aria-label={`Delete the view ${view.name}`}>
        <IconTrash size={14} />
      </ActionIcon>
    </div>
  );
}
