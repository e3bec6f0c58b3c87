import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { useLatest } from "../../lib/use-latest";
import { useFormerRange, useTimeRange } from "../../state/time-range";
import { NAVIGATION } from "./navigation";
import { openOverlay, openPalette } from "./palette-state";

const CHORD_MS = 1_200;

/** Makes the keys work that every page has. `soon` is called when the palette may be wanted next. */
export function useShortcuts(soon: () => unknown): void {
  const navigate = useNavigate();
  const range = useTimeRange();
  const latest = useLatest({ ...range, back: useFormerRange() });

  useEffect(() => {
    let chord = 0;
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Control" || event.key === "Meta") soon();
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
  }, [navigate, latest, soon]);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}
