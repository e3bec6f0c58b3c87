import { setNonce } from "get-nonce";

/** The nonce that the server put into the document: style sheets made at run time carry it. */
export const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";

/** Tell the libraries that make style sheets by themselves (scroll locking of dialogs). */
export function announceNonce(): void {
  setNonce(nonce);
}
