import { type ReactNode, useEffect, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { durationMs } from "../../lib/format";
import { clock, tick } from "../../lib/time";
import { usePreferences } from "../../state/preferences";
import { useScheme } from "../view/service-name";
import classes from "./charts.module.css";

type Cells = Schemas["Heatmap"];

const LEFT = 58;
const BOTTOM = 20;

/** How many spans lay where in time and duration. Dragging narrows the range. */
export function Heatmap(props: {
  cells: Cells;
  height?: number;
  label: string;
  onZoom: (fromMs: number, toMs: number) => void;
}): ReactNode {
  const { cells, height = 170, label, onZoom } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(600);
  const [under, setUnder] = useState("");
  const [start, setStart] = useState<number | null>(null);
  const scheme = useScheme();
  const { zone } = usePreferences();
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (canvas.current) paint(canvas.current, cells, width, height, zone);
    // The scheme decides the colours that the page's style sheet gives.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [cells, width, height, zone, scheme]);

  const columnAt = (x: number): number => Math.floor(((x - LEFT) / (width - LEFT)) * cells.columns);
  const timeAt = (column: number): number => Date.parse(cells.from) + column * cells.step_seconds * 1000;
  return (
    <div className={classes["chart"]}>
      <canvas
        ref={canvas}
        className={classes["heat"]}
        style={{ height }}
        role="img"
        aria-label={`${label}: ${cells.total_count} spans`}
        onPointerDown={(event) => setStart(event.nativeEvent.offsetX)}
        onPointerUp={(event) => {
          const end = event.nativeEvent.offsetX;
          if (start !== null && Math.abs(end - start) > 6) {
            onZoom(timeAt(Math.max(0, columnAt(Math.min(start, end)))), timeAt(columnAt(Math.max(start, end)) + 1));
          }
          setStart(null);
        }}
        onPointerMove={(event) => {
          const { offsetX, offsetY } = event.nativeEvent;
          const column = columnAt(offsetX);
          const row = cells.rows.length - 1 - Math.floor((offsetY / (height - BOTTOM)) * cells.rows.length);
          const bounds = cells.rows[row];
          const cell = cells.cells.find(([c, r]) => c === column && r === row);
          setUnder(
            bounds && cell
              ? `${clock(timeAt(column), zone)}   ${durationMs(bounds.lower_ms)} to ${durationMs(bounds.upper_ms)}   ${cell[2]} spans${cell[3] ? `, ${cell[3]} errors` : ""}`
              : "",
          );
        }}
        onPointerLeave={() => setUnder("")}
      />
      <div className={classes["foot"]}>
        <span>The darker, the more spans; red where some failed.</span>
        <span className={classes["readout"]} aria-hidden>
          {under}
        </span>
      </div>
    </div>
  );
}

function paint(element: HTMLCanvasElement, cells: Cells, width: number, height: number, zone: "local" | "utc"): void {
  const context = element.getContext("2d");
  if (context === null) return;
  const style = getComputedStyle(document.documentElement);
  const css = (name: string): string => style.getPropertyValue(name).trim();
  const ratio = window.devicePixelRatio || 1;
  element.width = width * ratio;
  element.height = height * ratio;
  context.scale(ratio, ratio);
  context.clearRect(0, 0, width, height);
  const across = (width - LEFT) / Math.max(1, cells.columns);
  const up = (height - BOTTOM) / Math.max(1, cells.rows.length);
  const most = Math.max(1, ...cells.cells.map(([, , n]) => n ?? 0));
  const calm = css("--v-chart-1");
  const bad = css("--v-error");
  for (const [column = 0, row = 0, count = 0, errors = 0] of cells.cells) {
    context.globalAlpha = 0.12 + 0.88 * (Math.log1p(count) / Math.log1p(most));
    context.fillStyle = errors > 0 ? bad : calm;
    context.fillRect(LEFT + column * across, height - BOTTOM - (row + 1) * up, Math.max(1, across - 1), Math.max(1, up - 1));
  }
  context.globalAlpha = 1;
  context.font = "11px 'Inter Variable', system-ui, sans-serif";
  context.fillStyle = css("--mantine-color-dimmed");
  context.textAlign = "right";
  context.textBaseline = "middle";
  const every = Math.max(1, Math.ceil(cells.rows.length / 6));
  cells.rows.forEach((row, index) => {
    if (index % every === 0) context.fillText(durationMs(row.lower_ms), LEFT - 8, height - BOTTOM - index * up - up / 2);
  });
  context.textAlign = "center";
  const from = Date.parse(cells.from);
  const span = cells.columns * cells.step_seconds * 1000;
  const ticks = Math.max(2, Math.floor(width / 140));
  for (let i = 0; i <= ticks; i += 1) {
    const x = Math.min(width - 26, Math.max(LEFT + 14, LEFT + ((width - LEFT) * i) / ticks));
    context.fillText(tick(from + (span * i) / ticks, zone, span), x, height - 8);
  }
}
