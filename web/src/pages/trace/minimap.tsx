import { type PointerEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { serviceColor } from "../../lib/color";
import { useScheme } from "../../components/view/service-name";
import { at, type TraceModel } from "./model";
import type { Window } from "./search";
import classes from "./trace.module.css";

const HEIGHT = 44;
/** Spans that are drawn; the picture has far fewer lines. */
const MOST = 4_000;

/** The whole trace in small. Dragging over it narrows the waterfall to a part; a double click shows all again. */
export function Minimap(props: { trace: TraceModel; shown: Window; onWindow: (window: Window | null) => void }): ReactNode {
  const { trace, shown, onWindow } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const scheme = useScheme();
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const draw = (): void => paint(element, trace, scheme);
    draw();
    const observer = new ResizeObserver(draw);
    observer.observe(element);
    return () => observer.disconnect();
  }, [trace, scheme]);

  const place = (event: PointerEvent<HTMLElement>): number => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const left = shown.fromNs / trace.durationNs;
  const right = shown.toNs / trace.durationNs;
  return (
    <div
      className={classes["minimap"]}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setDrag({ from: place(event), to: place(event) });
      }}
      onPointerMove={(event) => drag && setDrag({ ...drag, to: place(event) })}
      onPointerUp={() => {
        if (drag && Math.abs(drag.to - drag.from) > 0.005) {
          const [a, b] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
          onWindow({ fromNs: a * trace.durationNs, toNs: b * trace.durationNs });
        }
        setDrag(null);
      }}
      onDoubleClick={() => onWindow(null)}
      title="Drag to narrow the time, double-click for all of it"
    >
      <canvas ref={canvas} style={{ height: HEIGHT }} role="img" aria-label="The whole trace in small" />
      <span className={classes["shade"]} style={{ left: 0, width: `${left * 100}%` }} />
      <span className={classes["shade"]} style={{ left: `${right * 100}%`, right: 0 }} />
      {drag && (
        <span
          className={classes["selection"]}
          style={{
            left: `${Math.min(drag.from, drag.to) * 100}%`,
            width: `${Math.abs(drag.to - drag.from) * 100}%`,
          }}
        />
      )}
    </div>
  );
}

function paint(element: HTMLCanvasElement, trace: TraceModel, scheme: "light" | "dark"): void {
  const context = element.getContext("2d");
  if (context === null) return;
  const ratio = window.devicePixelRatio || 1;
  const width = element.clientWidth;
  element.width = width * ratio;
  element.height = HEIGHT * ratio;
  context.scale(ratio, ratio);
  context.clearRect(0, 0, width, HEIGHT);
  const line = Math.max(0.5, Math.min(5, (HEIGHT - 4) / trace.size));
  const colors = new Map<string, string>();
  const errorColor = getComputedStyle(document.documentElement).getPropertyValue("--v-error").trim();
  // Of more spans than could be told apart some stand for all; those that failed are always drawn.
  const every = Math.max(1, Math.floor(trace.size / MOST));
  let used = "";
  for (let k = 0; k < trace.size; k += 1) {
    const span = at(trace.order, k);
    const failed = trace.columns.status[span] === "error";
    if (k % every !== 0 && !failed) continue;
    const service = at(trace.columns.service, span);
    let color = failed ? errorColor : colors.get(service);
    if (color === undefined) {
      color = serviceColor(service, scheme);
      colors.set(service, color);
    }
    const x = (at(trace.columns.start_ns, span) / trace.durationNs) * width;
    const w = Math.max(1, (at(trace.columns.duration_ns, span) / trace.durationNs) * width);
    const y = 2 + (k / trace.size) * (HEIGHT - 4);
    if (color !== used) context.fillStyle = color;
    used = color;
    context.fillRect(x, y, w, line);
  }
}
