import { type ReactNode, useMemo, useState } from "react";
import { useScheme } from "../../components/view/service-name";
import { serviceColor } from "../../lib/color";
import { durationNs, plural, share } from "../../lib/format";
import { flameGraph, type Frame, type TraceModel } from "./model";
import classes from "./trace.module.css";

const HEIGHT = 21;
/** Frames narrower than this part of the picture are left out: they would not be seen. */
const NARROWEST = 0.0008;

/** Where the time went: spans of equal path merged, as wide as they and all below them were busy. */
export function Flame({ trace, hidden }: { trace: TraceModel; hidden: ReadonlySet<string> }): ReactNode {
  const scheme = useScheme();
  const frames = useMemo(() => flameGraph(trace), [trace]);
  const [focus, setFocus] = useState<Frame | null>(null);
  const [under, setUnder] = useState<Frame | null>(null);
  const from = focus?.from ?? 0;
  const width = focus?.width ?? 1;
  const shown = frames.filter(
    (frame) =>
      frame.width / width > NARROWEST &&
      frame.from < from + width &&
      frame.from + frame.width > from &&
      (focus === null || frame.depth >= focus.depth || (frame.from <= from && frame.from + frame.width >= from + width)),
  );
  const told = under ?? focus;
  const depth = useMemo(() => frames.reduce((most, frame) => Math.max(most, frame.depth), 0) + 1, [frames]);
  return (
    <>
      <div className={classes["flameNote"]}>
        {told
          ? `${told.service} ${told.name}: ${plural(told.spans, "span")}, busy ${durationNs(told.busyNs)} with all below, ` +
            `${durationNs(told.selfNs)} self, ${share(told.width)} of the trace's busy time`
          : "The width is the time that a path was busy, calls running side by side counted each. Click to look closer."}
      </div>
      <div className={classes["scroll"]}>
        <div className={classes["flame"]} style={{ height: depth * HEIGHT }}>
          {shown.map((frame) => {
            const left = Math.max(0, (frame.from - from) / width);
            const right = Math.min(1, (frame.from + frame.width - from) / width);
            return (
              <button
                key={`${frame.depth} ${frame.from} ${frame.name}`}
                type="button"
                className={classes["frame"]}
                data-failed={frame.errors > 0 || undefined}
                style={{
                  top: frame.depth * HEIGHT,
                  left: `${left * 100}%`,
                  width: `${(right - left) * 100}%`,
                  background: `color-mix(in srgb, ${serviceColor(frame.service, scheme)} ${hidden.has(frame.service) ? 12 : 42}%, var(--v-panel))`,
                }}
                aria-label={`${frame.name} ${durationNs(frame.busyNs)}${frame.errors > 0 ? `, ${plural(frame.errors, "error")}` : ""}`}
                onClick={() => setFocus(focus === frame || frame.width === 1 ? null : frame)}
                onMouseEnter={() => setUnder(frame)}
                onMouseLeave={() => setUnder(null)}
                onFocus={() => setUnder(frame)}
              >
                {right - left > 0.03 ? `${frame.name} ${durationNs(frame.busyNs)}` : ""}
              </button>
            );
          })}
        </div>
      </div>
    </>
  );
}
