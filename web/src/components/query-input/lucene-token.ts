import type { Token } from "./query-input";

const STOPS = new Set([" ", "(", ")", "\t"]);

/** What is being typed at the caret of a query in Lucene's syntax. */
export function tokenAt(query: string, caret: number): Token {
  let from = 0;
  let quoted = false;
  for (let i = 0; i < caret; i += 1) {
    if (query[i] === "\\") i += 1;
    else if (query[i] === '"') quoted = !quoted;
    else if (!quoted && STOPS.has(query[i] ?? "")) from = i + 1;
  }
  let to = caret;
  while (to < query.length && !STOPS.has(query[to] ?? "")) to += 1;
  while (query[from] === "-" || query[from] === "+") from += 1;
  const whole = query.slice(from, Math.max(caret, from));
  const match = /^((?:\\.|[^\\:"])+):(>=|<=|>|<)?(.*)$/.exec(whole);
  if (!match) return { from, to, key: null, text: unescape(whole), head: "" };
  const [, name = "", operator = "", rest = ""] = match;
  return { from, to, key: unescape(name), text: unescape(rest), head: `${name}:${operator}` };
}

function unescape(text: string): string {
  return text.replaceAll('"', "").replaceAll(/\\(.)/g, "$1");
}
