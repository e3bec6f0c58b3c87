import { Button, Group, Modal, TextInput } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import { Problem } from "../view/problem";

/** Asks for the name of a view that is to be saved. */
export function SaveDialog(props: {
  problem: Error | null;
  onClose: () => void;
  onSave: (name: string) => Promise<void>;
}): ReactNode {
  const { problem, onClose, onSave } = props;
  return (
    <Modal opened onClose={onClose} title="Save this view" closeButtonProps={{ "aria-label": "Close" }} transitionProps={{ duration: 0 }}>
      <SaveForm problem={problem} onSave={onSave} />
    </Modal>
  );
}

function SaveForm({ problem, onSave }: { problem: Error | null; onSave: (name: string) => Promise<void> }): ReactNode {
  const [name, setName] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (name.trim() !== "") void onSave(name.trim());
  };
  return (
    <form onSubmit={submit}>
      <TextInput
        data-autofocus
        label="Name"
        description="Everybody who reads this tenant sees it."
        maxLength={100}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      {problem !== null && <Problem error={problem} />}
      <Group justify="flex-end" mt={12}>
        <Button type="submit" disabled={name.trim() === ""}>
          Save
        </Button>
      </Group>
    </form>
  );
}
