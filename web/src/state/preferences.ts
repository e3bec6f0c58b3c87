import { useSyncExternalStore } from "react";
import { readStored, writeStored } from "../lib/storage";
import type { Zone } from "../lib/time";

/** What a person chose for this browser; it is no part of a link. */
export interface Preferences {
  zone: Zone;
  navigationNarrow: boolean;
}

const KEY = "vedette.preferences";
const DEFAULTS: Preferences = { zone: "local", navigationNarrow: false };
const listeners = new Set<() => void>();
let current = load();

function load(): Preferences {
  try {
    const stored: unknown = JSON.parse(readStored("local", KEY) ?? "{}");
    if (typeof stored !== "object" || stored === null) return DEFAULTS;
    const { zone, navigationNarrow } = stored as Partial<Record<keyof Preferences, unknown>>;
    return { zone: zone === "utc" ? "utc" : "local", navigationNarrow: navigationNarrow === true };
  } catch {
    return DEFAULTS;
  }
}

export function setPreferences(changed: Partial<Preferences>): void {
  current = { ...current, ...changed };
  writeStored("local", KEY, JSON.stringify(current));
  for (const listener of listeners) listener();
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );
}
