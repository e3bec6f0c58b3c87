import { useNavigate } from "@tanstack/react-router";
import { type PointerEvent, type ReactNode, useEffect, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { durationMs, durationNs } from "../../lib/format";
import { clock, tick } from "../../lib/time";
import { usePreferences } from "../../state/preferences";
import { useScheme } from "../../components/view/service-name";
import type { Pick } from "./search";
import classes from "./traces.module.css";

type Summary = Schemas["TraceSummary"];

const HEIGHT = 190;
const LEFT = 58;
const BOTTOM = 20;
const TOP = 8;
const REACH = 8;

interface Scale {
  fromMs: number;
  toMs: number;
  lowest: number;
  highest: number;
  width: number;
}

/** Traces by start and duration. A click opens one; dragging over some holds them against the rest. */
export function Scatter(props: {
  traces: Summary[];
  fromMs: number;
  toMs: number;
  pick: Pick | null;
  onPick: (pick: Pick | null) => void;
}): ReactNode {
  const { traces, fromMs, toMs, pick, onPick } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(800);
  const [drag, setDrag] = useState<{ x0: number; y0: number; x1: number; y1: number } | null>(null);
  const [under, setUnder] = useState<Summary | null>(null);
  const navigate = useNavigate();
  const scheme = useScheme();
  const { zone } = usePreferences();
  const durations = traces.map((trace) => trace.duration_ns / 1e6);
  const scale: Scale = {
    fromMs,
    toMs,
    lowest: Math.max(0.001, Math.min(...durations, 1e9)) * 0.8,
    highest: Math.max(...durations, 1) * 1.25,
    width,
  };

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (canvas.current) paint(canvas.current, traces, scale, zone);
    // The scale is made of the values below.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [traces, fromMs, toMs, width, scheme, zone]);

  const place = (event: PointerEvent<HTMLElement>): [number, number] => {
    const box = event.currentTarget.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const nearest = (x: number, y: number): Summary | null => {
    let best: Summary | null = null;
    let distance = REACH;
    for (const trace of traces) {
      const d = Math.hypot(xOf(scale, Date.parse(trace.start_time)) - x, yOf(scale, trace.duration_ns / 1e6) - y);
      if (d < distance) [best, distance] = [trace, d];
    }
    return best;
  };
  const box = drag
    ? { left: Math.min(drag.x0, drag.x1), top: Math.min(drag.y0, drag.y1), width: Math.abs(drag.x1 - drag.x0), height: Math.abs(drag.y1 - drag.y0) }
    : pick && boxOf(scale, pick);
  return (
    <div className={classes["scatter"]}>
      <div
        className={classes["field"]}
        style={{ height: HEIGHT }}
        onPointerDown={(event) => {
          const [x, y] = place(event);
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag({ x0: x, y0: y, x1: x, y1: y });
        }}
        onPointerMove={(event) => {
          const [x, y] = place(event);
          if (drag) setDrag({ ...drag, x1: x, y1: y });
          else setUnder(nearest(x, y));
        }}
        onPointerLeave={() => setUnder(null)}
        onPointerUp={() => {
          if (drag && (Math.abs(drag.x1 - drag.x0) > 6 || Math.abs(drag.y1 - drag.y0) > 6)) onPick(pickOf(scale, drag));
          else if (drag) {
            const trace = nearest(drag.x0, drag.y0);
            if (trace) void navigate({ to: "/traces/$traceId", params: { traceId: trace.trace_id } });
            else onPick(null);
          }
          setDrag(null);
        }}
      >
        <canvas ref={canvas} style={{ height: HEIGHT }} role="img" aria-label={`${traces.length} traces by start and duration`} />
        {box && <span className={classes["box"]} style={box} />}
      </div>
      <div className={classes["under"]} aria-hidden>
        {under
          ? `${clock(Date.parse(under.start_time), zone)}  ${under.root_service || under.services[0] || ""} ${under.root_name}  ${durationNs(under.duration_ns)}  ${under.span_count} spans`
          : "Click a trace to open it. Drag over some to see what tells them from the rest."}
      </div>
    </div>
  );
}

function xOf(scale: Scale, ms: number): number {
  return LEFT + ((ms - scale.fromMs) / (scale.toMs - scale.fromMs)) * (scale.width - LEFT - 8);
}

function yOf(scale: Scale, ms: number): number {
  const part = Math.log(Math.max(ms, scale.lowest) / scale.lowest) / Math.log(scale.highest / scale.lowest);
  return HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP);
}

function pickOf(scale: Scale, drag: { x0: number; y0: number; x1: number; y1: number }): Pick {
  const time = (x: number): number =>
    scale.fromMs + (Math.max(0, x - LEFT) / (scale.width - LEFT - 8)) * (scale.toMs - scale.fromMs);
  const duration = (y: number): number =>
    scale.lowest * (scale.highest / scale.lowest) ** ((HEIGHT - BOTTOM - y) / (HEIGHT - BOTTOM - TOP));
  return {
    fromMs: time(Math.min(drag.x0, drag.x1)),
    toMs: time(Math.max(drag.x0, drag.x1)),
    minMs: Math.max(0.001, duration(Math.max(drag.y0, drag.y1))),
    maxMs: duration(Math.min(drag.y0, drag.y1)),
  };
}

function boxOf(scale: Scale, pick: Pick): { left: number; top: number; width: number; height: number } {
  const left = xOf(scale, pick.fromMs);
  const top = yOf(scale, pick.maxMs);
  return { left, top, width: xOf(scale, pick.toMs) - left, height: yOf(scale, pick.minMs) - top };
}

function paint(element: HTMLCanvasElement, traces: Summary[], scale: Scale, zone: "local" | "utc"): void {
  const context = element.getContext("2d");
  if (context === null) return;
  const style = getComputedStyle(document.documentElement);
  const css = (name: string): string => style.getPropertyValue(name).trim();
  const ratio = window.devicePixelRatio || 1;
  element.width = scale.width * ratio;
  element.height = HEIGHT * ratio;
  context.scale(ratio, ratio);
  context.clearRect(0, 0, scale.width, HEIGHT);
  context.font = "11px 'Inter Variable', system-ui, sans-serif";
  context.fillStyle = css("--mantine-color-dimmed");
  context.strokeStyle = css("--v-line");
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (let decade = 10 ** Math.ceil(Math.log10(scale.lowest)); decade <= scale.highest; decade *= 10) {
    const y = Math.round(yOf(scale, decade)) + 0.5;
    context.beginPath();
    context.moveTo(LEFT, y);
    context.lineTo(scale.width, y);
    context.stroke();
    context.fillText(durationMs(decade), LEFT - 8, y);
  }
  context.textAlign = "center";
  const ticks = Math.max(2, Math.floor(scale.width / 140));
  for (let i = 0; i <= ticks; i += 1) {
    const ms = scale.fromMs + ((scale.toMs - scale.fromMs) * i) / ticks;
    const x = Math.min(scale.width - 28, Math.max(LEFT + 14, xOf(scale, ms)));
    context.fillText(tick(ms, zone, scale.toMs - scale.fromMs), x, HEIGHT - 8);
  }
  const calm = css("--v-chart-1");
  const bad = css("--v-error");
  for (const failed of [false, true]) {
    context.fillStyle = failed ? bad : calm;
    context.globalAlpha = failed ? 0.9 : 0.5;
    for (const trace of traces) {
      if (trace.error_count > 0 !== failed) continue;
      context.beginPath();
      context.arc(xOf(scale, Date.parse(trace.start_time)), yOf(scale, trace.duration_ns / 1e6), failed ? 3.4 : 3, 0, 7);
      context.fill();
    }
  }
  context.globalAlpha = 1;
}
