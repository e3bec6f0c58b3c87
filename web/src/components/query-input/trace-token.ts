import type { Token } from "./query-input";

/** Keys that every span has, and what to say of them. */
export const OWN_KEYS: readonly (readonly [string, string])[] = [
  ["service", "the span's service"],
  ["name", "the operation"],
  ["duration", "duration:>100ms"],
  ["status", "unset, ok, error"],
  ["kind", "server, client, …"],
  ["error", "true, false"],
  ["root", "true, false"],
  ["event", "an event's name"],
  ["status_message", "text of the status"],
];

/** The term that the caret stands in. */
export function tokenAt(query: string, caret: number): Token {
  let from = 0;
  let quotedText = false;
  for (let i = 0; i < caret; i += 1) {
    if (query[i] === '"' && query[i - 1] !== "\\") quotedText = !quotedText;
    else if (query[i] === " " && !quotedText) from = i + 1;
  }
  let to = caret;
  while (to < query.length && query[to] !== " ") to += 1;
  if (query[from] === "-") from += 1;
  const whole = query.slice(from, Math.max(caret, from));
  const match = /^("(?:[^"\\]|\\.)*"|[^":]+):(!=|!~|>=|<=|=|>|<|~)?(.*)$/.exec(whole);
  if (!match) return { from, to, key: null, text: whole.replaceAll('"', ""), head: "" };
  const [, rawKey = "", operator = "", rest = ""] = match;
  const text = rest.replace(/^"/, "").replaceAll("\\", "");
  return { from, to, key: rawKey.replaceAll('"', ""), text, head: `${rawKey}:${operator}` };
}
