import { type ReactNode, useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock, dateTime, tick } from "../../lib/time";
import { useLatest } from "../../lib/use-latest";
import { usePreferences } from "../../state/preferences";
import { useScheme } from "../view/service-name";
import classes from "./charts.module.css";

export interface ChartSeries {
  label: string;
  /** One value per time; null where there is none. */
  values: (number | null)[];
  /** A CSS colour, or a variable like `--v-accent`. */
  color: string;
  kind?: "line" | "area" | "bars";
  dash?: boolean;
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
  legend?: boolean;
}

/** Values over time. */
export function TimeChart(props: TimeChartProps): ReactNode {
  const { times, series, format, height = 150, stacked = false, onZoom, label, legend = true, fromMs, toMs } = props;
  const host = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLDivElement>(null);
  const { zone } = usePreferences();
  const scheme = useScheme();
  const zoom = useLatest(onZoom);
  const shape = series.map((one) => `${one.label}|${one.color}|${one.kind ?? "line"}|${one.dash ?? false}`).join("\n");
  const data = useMemo(() => columns(times, series, stacked), [times, series, stacked]);
  const latest = useLatest({ series, times, format, zone });

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
      range: fromMs !== undefined && toMs !== undefined ? [fromMs / 1000, toMs / 1000] : null,
      readout: (index) => {
        if (readout.current) readout.current.textContent = describe(latest.current, index);
      },
    });
    chart.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      chart.current = null;
    };
    // The shape of the series, not their values, decides whether the chart is built anew.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [shape, height, stacked, zone, scheme, fromMs, toMs]);

  useEffect(() => {
    chart.current?.setData(data as uPlot.AlignedData);
  }, [data, shape, height, stacked, zone, scheme, fromMs, toMs]);

  return (
    <div className={classes["chart"]}>
      <div ref={host} className={classes["plot"]} style={{ height }} role="img" aria-label={label} />
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
    one.values.map((value, index) => {
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
  range: [number, number] | null;
  readout: (index: number | null) => void;
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
    width: Math.max(element.clientWidth, 50),
    height: wanted.height,
    padding: [8, 6, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: wanted.zoomable, y: false, setScale: false }, points: { size: 5 }, y: false },
    scales: {
      x: { time: true, ...(wanted.range ? { range: wanted.range } : {}) },
      y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.06 : 1] },
    },
    axes: [
      {
        ...axis,
        size: 22,
        space: 70,
        values: (_u, splits) => {
          const span = ((splits.at(-1) ?? 0) - (splits[0] ?? 0)) * 1000;
          return splits.map((at) => tick(at * 1000, wanted.zone, span));
        },
        ...(wanted.zone === "utc" ? {} : {}),
      },
      { ...axis, size: 58, space: 34, gap: 4, values: (_u, splits) => splits.map((value) => wanted.format(value)) },
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
          ...(kind === "area" ? { fill: `color-mix(in srgb, ${stroke} 14%, transparent)` } : {}),
          ...(one.dash ? { dash: [4, 4] } : {}),
        };
      }),
    ],
    hooks: {
      setCursor: [(u) => wanted.readout(u.cursor.idx ?? null)],
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
