import { useSyncExternalStore } from "react";
import { apiKey, onKeyChange } from "./key";

export function useApiKey(): string | null {
  return useSyncExternalStore(onKeyChange, apiKey);
}
