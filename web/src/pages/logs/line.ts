import type { Schemas } from "../../api/client";
import { valueText } from "../../lib/format";

export type Line = Schemas["LogLine"];

/** The body as one text. */
export function bodyText(line: Line): string {
  return typeof line.body === "string" ? line.body : JSON.stringify(line.body);
}

/** A value of a line's field as text; nothing where the line has none. Columns win, then attributes, then the resource. */
export function fieldText(line: Line, name: string): string {
  switch (name) {
    case "service":
    case "severity":
    case "severity_text":
    case "event_name":
    case "trace_id":
    case "span_id":
      return String(line[name] ?? "");
    case "severity_number":
    case "flags":
    case "dropped_attributes":
      return String(line[name]);
    case "time":
    case "observed_time":
      return line[name];
    case "body":
      return bodyText(line);
    case "scope":
    case "scope.name":
      return line.scope.name;
    default:
      return attributeText(line, name);
  }
}

function attributeText(line: Line, name: string): string {
  if (name.startsWith("resource.") && name.slice(9) in line.resource) return valueText(line.resource[name.slice(9)]);
  if (name.startsWith("attributes.") && name.slice(11) in line.attributes) return valueText(line.attributes[name.slice(11)]);
  return valueText(line.attributes[name] ?? line.resource[name]);
}
