/** Conditions of the log search, as text. */

const PLAIN = /^[\p{L}\p{N}_.@%]+(?:-[\p{L}\p{N}_.@%]+)*$/u;
const WORDS = new Set(["AND", "OR", "NOT", "TO"]);

/** A value as Lucene's syntax reads it: in quotation marks unless every character stands for itself. */
export function phrase(value: string): string {
  if (PLAIN.test(value) && !WORDS.has(value)) return value;
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** A field's name, with the characters that mean something else escaped. */
export function fieldName(name: string): string {
  return name.replaceAll(/[^\p{L}\p{N}_.@-]/gu, (character) => `\\${character}`);
}

/** `field:value` */
export function fieldIs(name: string, value: string): string {
  return `${fieldName(name)}:${phrase(value)}`;
}

/** `NOT field:value` */
export function fieldIsNot(name: string, value: string): string {
  return `NOT ${fieldIs(name, value)}`;
}

/** The query with one condition more, unless it stands there already; its opposite goes. */
export function withTerm(query: string | undefined, added: string): string {
  const opposite = added.startsWith("NOT ") ? added.slice(4) : `NOT ${added}`;
  const terms = splitTerms(query ?? "").filter((term) => term !== opposite);
  if (!terms.includes(added)) terms.push(added);
  return terms.join(" AND ");
}

/** The query without a condition. */
export function withoutTerm(query: string | undefined, removed: string): string {
  return splitTerms(query ?? "")
    .filter((term) => term !== removed)
    .join(" AND ");
}

export function hasTerm(query: string | undefined, term: string): boolean {
  return splitTerms(query ?? "").includes(term);
}

/** The parts of a conjunction; a query with anything looser at its top is one part, in parentheses. */
function splitTerms(query: string): string[] {
  const text = query.trim();
  if (text === "") return [];
  const parts: string[] = [];
  let depth = 0;
  let quoted = false;
  let from = 0;
  for (let i = 0; i < text.length; i += 1) {
    const character = text[i];
    if (character === "\\") i += 1;
    else if (character === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (character === "(" || character === "[" || character === "{") depth += 1;
    else if (character === ")" || character === "]" || character === "}") depth -= 1;
    else if (depth === 0 && text.startsWith(" OR ", i)) return [`(${text})`];
    else if (depth === 0 && text.startsWith(" AND ", i)) {
      parts.push(text.slice(from, i).trim());
      from = i + 5;
      i += 4;
    }
  }
  parts.push(text.slice(from).trim());
  return parts.filter((part) => part !== "");
}
