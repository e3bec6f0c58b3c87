import { Modal } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { useLatest } from "../../lib/use-latest";
import { useTimeRange } from "../../state/time-range";
import { NAVIGATION } from "./navigation";
import { openOverlay, openPalette, useOverlay } from "./palette-state";
import classes from "./shell.module.css";

const CHORD_MS = 1_200;

const OTHERS: readonly [string, string][] = [
  ["Ctrl K", "Command palette"],
  ["/", "Go to the page's search"],
  ["r", "Refresh"],
  ["z", "Zoom out"],
  ["b", "Back to the range before the zoom"],
  ["?", "This list"],
  ["Esc", "Close what is open"],
];

/** Keys that work on every page, and the list of them. */
export function ShortcutKeys(): ReactNode {
  const navigate = useNavigate();
  const range = useTimeRange();
  const overlay = useOverlay();
  const latest = useLatest(range);

  useEffect(() => {
    let chord = 0;
    const onKey = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        openPalette();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const page = performance.now() - chord < CHORD_MS ? NAVIGATION.find(({ key }) => key === event.key) : undefined;
      chord = event.key === "g" ? performance.now() : 0;
      if (page) void navigate({ to: page.to });
      else if (event.key === "?") openOverlay("keys");
      else if (event.key === "r") latest.current.refresh();
      else if (event.key === "z") latest.current.zoomOut();
      else if (event.key === "b") latest.current.back?.();
      else if (event.key === "/") document.querySelector<HTMLElement>("[data-page-search]")?.focus();
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [navigate, latest]);

  return (
    <Modal
      opened={overlay === "keys"}
      onClose={() => openOverlay(null)}
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

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}
