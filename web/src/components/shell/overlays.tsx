import { Modal } from "@mantine/core";
import type { ReactNode } from "react";
import { CommandPalette } from "./command-palette";
import { NAVIGATION } from "./navigation";
import { openOverlay, type Overlay } from "./palette-state";
import classes from "./shell.module.css";

const OTHERS: readonly [string, string][] = [
  ["Ctrl K", "Command palette"],
  ["/", "Go to the page's search"],
  ["r", "Refresh"],
  ["z", "Zoom out"],
  ["b", "Back to the range before the zoom"],
  ["?", "This list"],
  ["Esc", "Close what is open"],
];

/** What is opened over a page by a key; its code is loaded when it is first wanted. */
export function Overlays({ open }: { open: Overlay }): ReactNode {
  const close = (): void => openOverlay(null);
  return (
    <>
      <Modal.Root opened={open === "palette"} onClose={close} size={520} padding={0} yOffset="12vh" transitionProps={{ duration: 0 }}>
        <Modal.Overlay />
        <Modal.Content aria-label="Command palette">{open === "palette" && <CommandPalette />}</Modal.Content>
      </Modal.Root>
      <Modal
        opened={open === "keys"}
        onClose={close}
        title="Keyboard shortcuts"
        closeButtonProps={{ "aria-label": "Close" }}
        transitionProps={{ duration: 0 }}
      >
        <dl className={classes["keys"]}>
          {NAVIGATION.map(({ key, label }) => (
            <Shortcut key={key} keys={`g ${key}`} what={label} />
          ))}
          {OTHERS.map(([keys, what]) => (
            <Shortcut key={keys} keys={keys} what={what} />
          ))}
        </dl>
      </Modal>
    </>
  );
}

function Shortcut({ keys, what }: { keys: string; what: string }): ReactNode {
  return (
    <>
      <dt>{keys}</dt>
      <dd>{what}</dd>
    </>
  );
}
