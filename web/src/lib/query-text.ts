/** Conditions of the trace search, as text. */

const PLAIN = /^[\p{L}\p{N}_./{}@%+-]+$/u;

/** A value as the language reads it: in quotation marks unless every character stands for itself. */
export function quoted(value: string): string {
  return PLAIN.test(value) ? value : `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** `key:value` */
export function condition(key: string, value: string): string {
  return `${quoted(key)}:${quoted(value)}`;
}

/** Keys that mean a span's own columns; attributes of these names are asked for by their full place. */
const OWN = new Set(
  "service name operation kind status error duration status_message root trace_id span_id parent_span_id event".split(" "),
);

/** The condition that a span's attribute has this value. */
export function attributeCondition(name: string, value: string): string {
  return condition(OWN.has(name) ? `attribute.${name}` : name, value);
}

/** The query with one condition more, unless it stands there already. */
export function withCondition(query: string | undefined, added: string): string {
  const before = (query ?? "").trim();
  if (before === "" || before === added) return added;
  return before.split(" ").includes(added) ? before : `${before} ${added}`;
}
