import { apiFetch } from "../api/client";

/** Save what the API answers as a file. The request carries the caller's key, which a plain link would not. */
export async function download(path: string, tenant: string | undefined, name: string, init: RequestInit = {}): Promise<void> {
  const response = await apiFetch(path, tenant, init);
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
