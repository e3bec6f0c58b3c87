import { readStored, writeStored } from "../lib/storage";

/** The API key of this tab. It is kept for the tab's life only, and never part of an address. */
const KEY = "vedette.api-key";
const listeners = new Set<() => void>();
let current = readStored("session", KEY);

export function apiKey(): string | null {
  return current;
}

export function setApiKey(key: string | null): void {
  current = key;
  writeStored("session", KEY, key);
  for (const listener of listeners) listener();
}

/** Tells `listener` of every change; what it returns ends that. */
export function onKeyChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
