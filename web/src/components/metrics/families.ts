import { useMemo } from "react";
import type { Metadata, TsdbStatus } from "../../api/prometheus";
import { familyOf } from "../../lib/promql";

/** A metric as people speak of it: a histogram's `_bucket`, `_count` and `_sum` are one. */
export interface Family {
  name: string;
  type: string;
  help: string;
  unit: string;
  series: number;
  /** The names of its series. */
  names: string[];
}

/** The metrics that have series, by name. */
export function useFamilies(status: TsdbStatus | undefined, metadata: Metadata): Family[] {
  return useMemo(() => {
    const families = new Map<string, Family>();
    for (const { name, value } of status?.seriesCountByMetricName ?? []) {
      const family = familyOf(name, metadata);
      const told = metadata[family]?.[0];
      const found = families.get(family) ?? {
        name: family,
        type: told?.type === "unknown" ? "" : (told?.type ?? ""),
        help: told?.help ?? "",
        unit: told?.unit ?? "",
        series: 0,
        names: [],
      };
      found.series += value;
      found.names.push(name);
      families.set(family, found);
    }
    return [...families.values()].toSorted((a, b) => a.name.localeCompare(b.name));
  }, [status, metadata]);
}
