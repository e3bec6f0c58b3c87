/** The browser's storage, which may be forbidden or full: then values live as long as the page. */

const fallback = new Map<string, string>();

export function readStored(area: "local" | "session", key: string): string | null {
  try {
    return (area === "local" ? localStorage : sessionStorage).getItem(key) ?? fallback.get(key) ?? null;
  } catch {
    return fallback.get(key) ?? null;
  }
}

export function writeStored(area: "local" | "session", key: string, value: string | null): void {
  if (value === null) fallback.delete(key);
  else fallback.set(key, value);
  try {
    const storage = area === "local" ? localStorage : sessionStorage;
    if (value === null) storage.removeItem(key);
    else storage.setItem(key, value);
  } catch {
    // kept for this page only
  }
}
