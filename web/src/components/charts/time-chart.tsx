import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock, dateTime, tick } from "../../lib/time";
import { useLatest } from "../../lib/use-latest";
import { usePreferences } from "../../state/preferences";
import { useScheme } from "../view/service-name";
import classes from "./charts.module.css";
import type { Place } from "./place";

/** A chart of this height, in pixels, has room for few values on its axis; they stand closer then. */
const LOW = 110;

export interface ChartSeries {
  label: string;
  /** One value per time; null where there is none. */
  values: (number | null)[];
  /** A CSS colour, or a variable like `--v-accent`. */
  color: string;
  kind?: "line" | "area" | "bars";
  dash?: boolean;
  /** In a stacked chart: stands for itself, on the ground. */
  alone?: boolean;
}

export interface TimeChartProps {
  /** Milliseconds since 1970, ascending. */
  times: number[];
  series: ChartSeries[];
  format: (value: number) => string;
  height?: number;
  /** Values of `bars` stand on top of each other, in the order of the series. */
  stacked?: boolean;
  /** Called with the part of the range that was selected by dragging, in milliseconds. */
  onZoom?: (fromMs: number, toMs: number) => void;
  /** What the chart shows, for whoever cannot see it. */
  label: string;
  /** The ends of the axis; the data's own otherwise. */
  fromMs?: number;
  toMs?: number;
  /** Whether the series are named below. */
  legend?: boolean;
  /** The series that stands out; the others fade. */
  focus?: number | null;
  /** Called with the index of the time under the pointer, and without one when it leaves. */
  onCursor?: (index: number | null) => void;
  /** Points over the chart. */
  overlay?: (place: Place) => ReactNode;
}

/** Values over time. */
export function TimeChart(props: TimeChartProps): ReactNode {
  const [held, hold] = useHeld(props);
  return <Chart {...held} onHold={hold} />;
}

/** What there is when the pointer goes down stays until it comes up: nothing is drawn anew under a drag. */
function useHeld<T>(given: T): [T, () => void] {
  const [held, setHeld] = useState<{ given: T } | null>(null);
  const isHeld = held !== null;
  useEffect(() => {
    if (!isHeld) return undefined;
    // uPlot ends a drag at mouseup, which comes behind pointerup.
    const release = (): void => void setTimeout(() => setHeld(null));
    const until = new AbortController();
    for (const event of ["pointerup", "pointercancel"]) addEventListener(event, release, { signal: until.signal });
    return () => until.abort();
  }, [isHeld]);
  return [held === null ? given : held.given, () => setHeld({ given })];
}

function Chart(props: TimeChartProps & { onHold: () => void }): ReactNode {
  const { times, series, format, height = 150, stacked = false, onZoom, label, legend = true, fromMs, toMs, focus = null } = props;
  const { onCursor, overlay, onHold } = props;
  const host = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLDivElement>(null);
  const { zone } = usePreferences();
  const scheme = useScheme();
  const zoom = useLatest(onZoom);
  const cursor = useLatest(onCursor);
  const overlaid = useLatest(overlay !== undefined);
  const [place, setPlace] = useState<{ of: Place } | null>(null);
  const shape = series.map((one) => `${one.label}|${one.color}|${one.kind ?? "line"}|${one.dash ?? false}|${one.alone ?? false}`).join("\n");
  const data = useMemo(() => columns(times, series, stacked), [times, series, stacked]);
  const range: [number, number] | null = fromMs !== undefined && toMs !== undefined ? [fromMs / 1000, toMs / 1000] : null;
  const latest = useLatest({ series, times, format, zone, range });

  const chart = useRef<uPlot | null>(null);
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const made = build(element, {
      series: latest.current.series,
      height,
      stacked,
      zone,
      format: (value) => latest.current.format(value),
      zoom: (from, to) => zoom.current?.(from, to),
      zoomable: zoom.current !== undefined,
      range: range === null ? null : () => latest.current.range ?? range,
      readout: (index) => {
        if (cursor.current) cursor.current(index);
        else if (readout.current) readout.current.textContent = describe(latest.current, index);
      },
      drawn: (plot) => {
        if (overlaid.current) setPlace({ of: placeIn(plot) });
      },
    });
    chart.current = made;
    // It is told of the first size, too, which the chart already has.
    const observer = new ResizeObserver(() => {
      const width = widthIn(element);
      if (width !== made.width) made.setSize({ width, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      chart.current = null;
    };
    // The shape of the series, not their values or the range, decides whether the chart is built anew.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [shape, height, stacked, zone, scheme, range === null]);

  useEffect(() => {
    chart.current?.setData(data as uPlot.AlignedData);
  }, [data, shape, height, stacked, zone, scheme, fromMs, toMs]);

  useEffect(() => {
    const plot = chart.current;
    if (plot === null) return;
    // Stacked series are drawn from the top of the stack down.
    const drawn = focus === null ? null : stacked ? series.length - focus : focus + 1;
    plot.setSeries(drawn, { focus: drawn !== null });
  }, [focus, stacked, series.length, shape]);

  return (
    <div className={classes["chart"]}>
      <div className={classes["over"]}>
        <div
          ref={host}
          className={classes["plot"]}
          style={{ height }}
          role="img"
          aria-label={label}
          onPointerDown={onHold}
        />
        {overlay && place && overlay(place.of)}
      </div>
      <div className={classes["foot"]}>
        {legend && (
          <ul className={classes["legend"]}>
            {series.map((one) => (
              <li key={one.label}>
                <span className={classes["key"]} style={{ background: color(one.color) }} data-dash={one.dash} />
                {one.label}
              </li>
            ))}
          </ul>
        )}
        <div ref={readout} className={classes["readout"]} aria-hidden />
      </div>
    </div>
  );
}

function color(name: string): string {
  return name.startsWith("--") ? `var(${name})` : name;
}

function resolved(name: string): string {
  return name.startsWith("--") ? getComputedStyle(document.documentElement).getPropertyValue(name).trim() : name;
}

function columns(times: number[], series: ChartSeries[], stacked: boolean): (number | null)[][] {
  const x = times.map((ms) => ms / 1000);
  if (!stacked) return [x, ...series.map((one) => one.values)];
  const sums = times.map(() => 0);
  const stackedValues = series.map((one) =>
    one.alone
      ? one.values
      : one.values.map((value, index) => {
      sums[index] = (sums[index] ?? 0) + (value ?? 0);
      return sums[index] ?? 0;
    }),
  );
  return [x, ...stackedValues.toReversed()];
}

interface Build {
  series: ChartSeries[];
  height: number;
  stacked: boolean;
  zone: "local" | "utc";
  format: (value: number) => string;
  zoom: (fromMs: number, toMs: number) => void;
  zoomable: boolean;
  /** The ends of the axis now, in seconds. */
  range: (() => [number, number]) | null;
  readout: (index: number | null) => void;
  drawn: (plot: uPlot) => void;
}

function widthIn(element: HTMLElement): number {
  return Math.max(element.clientWidth, 50);
}

function build(element: HTMLElement, wanted: Build): uPlot {
  const grid = { stroke: resolved("--v-line"), width: 1 };
  const axis = {
    stroke: resolved("--mantine-color-dimmed"),
    font: "11px 'Inter Variable', system-ui, sans-serif",
    grid,
    ticks: { show: false },
  };
  const ordered = wanted.stacked ? wanted.series.toReversed() : wanted.series;
  const bars = uPlot.paths.bars?.({ size: [0.85, 40], align: 1 });
  const options: uPlot.Options = {
    width: widthIn(element),
    height: wanted.height,
    // Room for the half of the last time that stands beyond the axis.
    padding: [8, 28, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: wanted.zoomable, y: false, setScale: false }, points: { size: 5 }, y: false },
    scales: {
      x: { time: true, ...(wanted.range ? { range: wanted.range } : {}) },
      y: { range: (_u, min, max) => [min < 0 ? min * 1.06 : 0, max > 0 ? max * 1.06 : min < 0 ? 0 : 1] },
    },
    focus: { alpha: 0.18 },
    axes: [
      {
        ...axis,
        size: 22,
        space: (_u, _axis, min, max, width) => tickSpace(max - min, width),
        values: (_u, splits) => ticks(splits, wanted.zone),
      },
      { ...axis, size: 58, space: wanted.height < LOW ? 20 : 34, gap: 4, values: (_u, splits) => splits.map((value) => wanted.format(value)) },
    ],
    series: [
      {},
      ...ordered.map((one): uPlot.Series => {
        const stroke = resolved(one.color);
        const kind = one.kind ?? "line";
        return {
          label: one.label,
          stroke,
          width: kind === "bars" ? 0 : 1.5,
          points: { show: false },
          ...(kind === "bars" && bars ? { paths: bars, fill: stroke } : {}),
          ...(kind === "area" ? { fill: areaFill(stroke, wanted.stacked) } : {}),
          ...(one.dash ? { dash: [4, 4] } : {}),
        };
      }),
    ],
    hooks: {
      setCursor: [(u) => wanted.readout((u.cursor.left ?? -1) < 0 ? null : (u.cursor.idx ?? null))],
      draw: [wanted.drawn],
      setSelect: [
        (u) => {
          if (u.select.width < 4) return;
          wanted.zoom(u.posToVal(u.select.left, "x") * 1000, u.posToVal(u.select.left + u.select.width, "x") * 1000);
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
    ...(wanted.zone === "utc" ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC") } : {}),
  };
  return new uPlot(options, [[], ...ordered.map(() => [])], element);
}

const DAY_SECONDS = 86_400;
/** Pixels from one time to the next: of hours and minutes, and of what is longer. */
const SHORT_TICK = 44;
const LONG_TICK = 70;

/** How far apart times have to be on an axis of so many seconds and pixels. */
function tickSpace(seconds: number, width: number): number {
  const step = (seconds * SHORT_TICK) / Math.max(1, width);
  return step > 30 && seconds < DAY_SECONDS ? SHORT_TICK : LONG_TICK;
}

/** Times as an axis writes them: without seconds where all are whole minutes. */
function ticks(splits: readonly number[], zone: "local" | "utc"): string[] {
  const span = (splits.at(-1) ?? 0) - (splits[0] ?? 0);
  const brief = span <= DAY_SECONDS && splits.every((at) => at % 60 === 0);
  return splits.map((at) => (brief ? clock(at * 1000, zone, { seconds: false }) : tick(at * 1000, zone, span * 1000)));
}

/** Stacked areas hide what is below them: that belongs to the sum of those that come after. */
function areaFill(stroke: string, stacked: boolean): string {
  return stacked
    ? `color-mix(in srgb, ${stroke} 45%, ${resolved("--v-panel")})`
    : `color-mix(in srgb, ${stroke} 14%, transparent)`;
}

function placeIn(plot: uPlot): Place {
  const ratio = uPlot.pxRatio;
  const box = { left: plot.bbox.left / ratio, top: plot.bbox.top / ratio, width: plot.bbox.width / ratio, height: plot.bbox.height / ratio };
  return (timeMs, value) => {
    const x = plot.valToPos(timeMs / 1000, "x");
    const y = plot.valToPos(value, "y");
    if (!(x >= 0 && x <= box.width)) return null;
    return { x: box.left + x, y: box.top + Math.min(box.height, Math.max(0, Number.isFinite(y) ? y : box.height)) };
  };
}

function describe(
  now: { series: ChartSeries[]; times: number[]; format: (value: number) => string; zone: "local" | "utc" },
  index: number | null,
): string {
  const at = index === null ? undefined : now.times[index];
  if (at === undefined || index === null) return "";
  const today = now.times.length > 1 && (now.times.at(-1) ?? 0) - (now.times[0] ?? 0) < 86_400_000;
  const figures = now.series
    .map((one) => [one.label, one.values[index]] as const)
    .filter((pair): pair is [string, number] => typeof pair[1] === "number")
    .map(([label, value]) => `${label} ${now.format(value)}`);
  return [today ? clock(at, now.zone) : dateTime(at, now.zone), ...figures].join("   ");
}
