import { type ReactNode, useEffect, useRef, useState } from "react";
import { clock, tick } from "../../lib/time";
import { usePreferences } from "../../state/preferences";
import { useScheme } from "../view/service-name";
import type { Place } from "./place";
import classes from "./charts.module.css";

/** How much lay where in time and value. */
export interface HeatCells {
  fromMs: number;
  stepMs: number;
  columns: number;
  /** Bounds, ascending. */
  rows: { lower: number; upper: number }[];
  /** Column, row, how much, and how much of it failed. */
  cells: number[][];
}

const LEFT = 58;
const BOTTOM = 20;
/** Columns that are wider, in pixels, stand apart. */
const GAP_FROM = 5;
/** How far the few are lifted beside the many. */
const EMPHASIS = 12;

/** How much lay where in time and value, the stronger the colour the more. Dragging narrows the range. */
export function Heatmap(props: {
  cells: HeatCells;
  height?: number;
  label: string;
  /** A bound of a row. */
  format: (bound: number) => string;
  /** What is said of a cell. */
  describe: (amount: number, failed: number) => string;
  /** What the colours mean. */
  note: string;
  onZoom: (fromMs: number, toMs: number) => void;
  /** Points over the cells. */
  overlay?: (place: Place) => ReactNode;
}): ReactNode {
  const { cells, height = 170, label, format, describe, note, onZoom, overlay } = props;
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
    if (canvas.current) paint(canvas.current, cells, format, width, height, zone);
    // The scheme decides the colours that the page's style sheet gives.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [cells, format, width, height, zone, scheme]);

  const columnAt = (x: number): number => Math.floor(((x - LEFT) / (width - LEFT)) * cells.columns);
  const timeAt = (column: number): number => cells.fromMs + column * cells.stepMs;
  const place: Place = (timeMs, value) => {
    const row = cells.rows.findIndex(({ upper }) => value <= upper);
    const part = (timeMs - cells.fromMs) / (cells.columns * cells.stepMs);
    if (part < 0 || part > 1 || cells.rows.length === 0) return null;
    const at = row === -1 ? cells.rows.length - 1 : row;
    return { x: LEFT + part * (width - LEFT), y: (height - BOTTOM) * (1 - (at + 0.5) / cells.rows.length) };
  };
  return (
    <div className={classes["chart"]}>
      <div className={classes["over"]}>
      <canvas
        ref={canvas}
        className={classes["heat"]}
        style={{ height }}
        role="img"
        aria-label={label}
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
              ? `${clock(timeAt(column), zone)}   ${format(bounds.lower)} to ${format(bounds.upper)}   ${describe(cell[2] ?? 0, cell[3] ?? 0)}`
              : "",
          );
        }}
        onPointerLeave={() => setUnder("")}
      />
      {overlay?.(place)}
      </div>
      <div className={classes["foot"]}>
        <span>{note}</span>
        <span className={classes["readout"]} aria-hidden>
          {under}
        </span>
      </div>
    </div>
  );
}

function paint(element: HTMLCanvasElement, cells: HeatCells, format: (bound: number) => string, width: number, height: number, zone: "local" | "utc"): void {
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
  const most = cells.cells.reduce((top, [, , n = 0]) => Math.max(top, n), 0) || 1;
  // Between narrow columns it would take most of the colour.
  const gap = across > GAP_FROM ? 1 : 0;
  const calm = css("--v-chart-1");
  const bad = css("--v-error");
  for (const [column = 0, row = 0, count = 0, errors = 0] of cells.cells) {
    context.globalAlpha = 0.14 + 0.86 * (Math.log1p((EMPHASIS * count) / most) / Math.log1p(EMPHASIS));
    context.fillStyle = errors > 0 ? bad : calm;
    const left = Math.round(column * across);
    const wide = Math.round((column + 1) * across) - left;
    context.fillRect(LEFT + left, height - BOTTOM - (row + 1) * up, Math.max(1, wide - gap), Math.max(1, up - 1));
  }
  context.globalAlpha = 1;
  context.font = "11px 'Inter Variable', system-ui, sans-serif";
  context.fillStyle = css("--mantine-color-dimmed");
  context.textAlign = "right";
  context.textBaseline = "middle";
  const every = Math.max(1, Math.ceil(cells.rows.length / 6));
  cells.rows.forEach((row, index) => {
    if (index % every === 0) context.fillText(format(row.lower), LEFT - 8, Math.max(7, height - BOTTOM - index * up - up / 2));
  });
  context.textAlign = "center";
  const from = cells.fromMs;
  const span = cells.columns * cells.stepMs;
  const ticks = Math.max(2, Math.floor(width / 140));
  for (let i = 0; i <= ticks; i += 1) {
    const x = Math.min(width - 26, Math.max(LEFT + 14, LEFT + ((width - LEFT) * i) / ticks));
    context.fillText(tick(from + (span * i) / ticks, zone, span), x, height - 8);
  }
}
