import { type Ask, ask } from "../api/client";
import { OPENED_MS, type Range, rangeAt } from "../state/range";
import { type RawSearch, validateGlobalSearch } from "../state/search";
import { logsAsks } from "./logs/asks";
import { mapAsks } from "./map/asks";
import { overviewAsks } from "./overview/asks";
import { serviceAsks } from "./service/asks";
import { servicesAsks } from "./services/asks";
import { sqlAsks } from "./sql/asks";
import { traceAsks } from "./trace/asks";
import { tracesAsks } from "./traces/asks";
import { validateLogsSearch } from "./logs/search";
import { validateServiceSearch } from "./service/search";
import { validateTracesSearch } from "./traces/search";

/** Who is asking; the frame of every page wants to know. */
export const SESSION = ask("/api/v1/session", {});

type First = (part: string, raw: RawSearch, range: Range) => object;

/** What each page asks when it is opened. */
const FIRST: readonly (readonly [RegExp, First])[] = [
  [/^\/(?:overview)?$/, (_, __, range) => overviewAsks(range)],
  [/^\/services$/, (_, __, range) => servicesAsks(range)],
  [/^\/services\/([^/]+)$/, (service, raw, range) => serviceAsks(service, validateServiceSearch(raw), range)],
  [/^\/map$/, (_, __, range) => mapAsks(range)],
  [/^\/traces$/, (_, raw, range) => tracesAsks(validateTracesSearch(raw), range)],
  [/^\/traces\/([^/]+)$/, (traceId) => traceAsks(traceId)],
  [/^\/logs$/, (_, raw, range) => logsAsks(validateLogsSearch(raw), range)],
  [/^\/sql$/, () => sqlAsks()],
];

/** What the page at an address is going to ask first, in the order of its need. */
export function firstAsks(pathname: string, raw: RawSearch): Ask[] {
  const range = rangeAt(validateGlobalSearch(raw), OPENED_MS);
  for (const [path, asks] of FIRST) {
    const match = path.exec(pathname);
    if (match) return [...(Object.values(asks(decodeURIComponent(match[1] ?? ""), raw, range)) as Ask[]), SESSION as Ask];
  }
  return [SESSION as Ask];
}
