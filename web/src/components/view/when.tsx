import type { ReactNode } from "react";
import { dateTime } from "../../lib/time";
import { usePreferences } from "../../state/preferences";

/** A moment in the zone that the person chose. `time` is RFC 3339 or milliseconds since 1970. */
export function When(props: { time: string | number; fraction?: boolean; clockOnly?: boolean }): ReactNode {
  const { zone } = usePreferences();
  const ms = typeof props.time === "number" ? props.time : Date.parse(props.time);
  const text = dateTime(ms, zone, { fraction: props.fraction ?? false });
  return (
    <time dateTime={typeof props.time === "string" ? props.time : new Date(ms).toISOString()} title={`${text} ${zone}`}>
      {props.clockOnly ? text.slice(11) : text}
    </time>
  );
}
