import { useSyncExternalStore } from "react";
import { readStored, writeStored } from "../../lib/storage";

/** Statements that ran in this browser, the newest first. They never leave it. */
const KEY = "vedette.sql-history";
const MOST = 50;
const listeners = new Set<() => void>();
let current = load();

function load(): string[] {
  try {
    const stored: unknown = JSON.parse(readStored("local", KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter((item) => typeof item === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}

function keep(next: string[]): void {
  current = next;
  writeStored("local", KEY, JSON.stringify(next));
  for (const listener of listeners) listener();
}

export function remember(sql: string): void {
  keep([sql, ...current.filter((other) => other !== sql)].slice(0, MOST));
}

export function forgetAll(): void {
  keep([]);
}

export function useHistory(): string[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );
}
