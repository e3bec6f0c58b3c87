import { type KeyboardEvent, memo, type ReactNode, useEffect, useMemo, useRef } from "react";
import type { Schemas } from "../../api/client";
import { useScheme } from "../../components/view/service-name";
import { type Scheme, serviceColor } from "../../lib/color";
import { durationNs } from "../../lib/format";
import { revealRow, useRowsInSight } from "../../lib/use-rows-in-sight";
import { at, type Segment, type TraceModel } from "./model";
import type { Window } from "./search";
import classes from "./trace.module.css";

export const ROW_HEIGHT = 23;
const OVERSCAN = 2;
const INDENT = 13;
const TICKS = 5;
/** Characters of a service's name that stand before the operation's. */
const LONG_NAME = 28;

type LogLine = Schemas["LogLine"];

/** A row is a span (its index, from 0) or a log line (-1 minus its index). */
export type Row = number;

export interface WaterfallProps {
  trace: TraceModel;
  rows: Row[];
  logs: LogLine[];
  shown: Window;
  selected: number | null;
  collapsed: ReadonlySet<number>;
  matches: ReadonlySet<number> | null;
  /** Spans outside of the critical path are pale while it is shown. */
  critical: Map<number, Segment[]> | null;
  /** The row to bring into view, and a number that changes when it is to be brought again. */
  goTo: { row: Row; turn: number } | null;
  onSelect: (span: number) => void;
  onToggle: (span: number) => void;
}

/** The spans of a trace as a tree over time. Only the rows in sight are in the document. */
export function Waterfall(props: WaterfallProps): ReactNode {
  const { trace, rows, logs, shown, selected, collapsed, matches, critical, goTo, onSelect, onToggle } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const scheme = useScheme();
  const { last, rowOf, width: across, onScroll } = useRowsInSight(scroller, { count: rows.length, height: ROW_HEIGHT, more: OVERSCAN });

  useEffect(() => {
    const element = scroller.current;
    if (element === null || goTo === null) return;
    const index = rows.indexOf(goTo.row);
    if (index < 0) return;
    const y = index * ROW_HEIGHT;
    if (y < element.scrollTop || y > element.scrollTop + element.clientHeight - 2 * ROW_HEIGHT) {
      element.scrollTop = Math.max(0, y - element.clientHeight / 3);
    }
  }, [goTo, rows]);

  // What is selected by a key or a link comes into view; folding leaves the rows where they are.
  useEffect(() => {
    const index = selected === null ? -1 : rows.indexOf(selected);
    if (index >= 0) revealRow(scroller.current, index, ROW_HEIGHT);
    // oxlint-disable-next-line react/exhaustive-effect-dependencies, react/exhaustive-deps
  }, [selected]);

  const onKey = (event: KeyboardEvent): void => {
    const index = selected === null ? -1 : rows.indexOf(selected);
    const step = event.key === "ArrowDown" || event.key === "j" ? 1 : event.key === "ArrowUp" || event.key === "k" ? -1 : 0;
    if (step !== 0) {
      let next = index + step;
      while (next >= 0 && next < rows.length && at(rows, next) < 0) next += step;
      const row = rows[next];
      if (row !== undefined) onSelect(row);
    } else if (selected !== null && event.key === "ArrowLeft" && !collapsed.has(selected)) onToggle(selected);
    else if (selected !== null && event.key === "ArrowRight" && collapsed.has(selected)) onToggle(selected);
    else return;
    event.preventDefault();
  };
  const width = shown.toNs - shown.fromNs;
  const ticks = useMemo(
    () => Array.from({ length: TICKS }, (_, index) => shown.fromNs + (width * index) / (TICKS - 1)),
    [shown.fromNs, width],
  );
  return (
    <div className={classes["waterfall"]}>
      <div className={classes["axis"]} style={{ width: across }} aria-hidden>
        <span>Service and operation</span>
        <div>
          {ticks.map((tick, index) => (
            <span key={index} style={{ left: `${(index / (TICKS - 1)) * 100}%` }} data-edge={edge(index)}>
              {durationNs(tick)}
            </span>
          ))}
        </div>
      </div>
      <div
        ref={scroller}
        className={classes["rows"]}
        role="treegrid"
        aria-label="Spans"
        aria-rowcount={rows.length}
        tabIndex={0}
        onScroll={onScroll}
        onKeyDown={onKey}
      >
        <div className={classes["grid"]} style={{ height: rows.length * ROW_HEIGHT }} role="presentation">
          {rowOf.map((index, slot) => {
            if (index >= last) return null;
            const row = at(rows, index);
            if (row < 0) {
              const line = logs[-1 - row];
              return line === undefined ? null : (
                <LogRow key={slot} line={line} trace={trace} y={index * ROW_HEIGHT} index={index} shown={shown} />
              );
            }
            return (
              <SpanRow
                key={slot}
                trace={trace}
                span={row}
                index={index}
                y={index * ROW_HEIGHT}
                fromNs={shown.fromNs}
                widthNs={width}
                scheme={scheme}
                selected={row === selected}
                collapsed={collapsed.has(row)}
                matched={matches === null ? null : matches.has(row)}
                segments={critical?.get(row) ?? null}
                pale={critical !== null && !critical.has(row)}
                onSelect={onSelect}
                onToggle={onToggle}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

function edge(index: number): string | undefined {
  return index === 0 ? "first" : index === TICKS - 1 ? "last" : undefined;
}

interface SpanRowProps {
  trace: TraceModel;
  span: number;
  index: number;
  y: number;
  fromNs: number;
  widthNs: number;
  scheme: Scheme;
  selected: boolean;
  collapsed: boolean;
  matched: boolean | null;
  segments: Segment[] | null;
  pale: boolean;
  onSelect: (span: number) => void;
  onToggle: (span: number) => void;
}

const SpanRow = memo(function SpanRow(props: SpanRowProps): ReactNode {
  const { trace, span, index, y, fromNs, widthNs, scheme, selected, collapsed, matched, segments, pale } = props;
  const { columns } = trace;
  const service = at(columns.service, span);
  const name = at(columns.name, span);
  const start = at(columns.start_ns, span);
  const duration = at(columns.duration_ns, span);
  const failed = columns.status[span] === "error";
  const kids = at(trace.subtree, span) - 1;
  const left = ((start - fromNs) / widthNs) * 100;
  const size = (duration / widthNs) * 100;
  const color = serviceColor(service, scheme);
  const depth = Math.min(at(trace.depth, span), 24);
  // The duration stands behind the bar, before it, or where neither has room, on its end.
  const place = left + size <= 75 ? "behind" : left > 25 ? "before" : "inside";
  return (
    <div
      className={classes["row"]}
      style={{ transform: `translateY(${y}px)` }}
      role="row"
      aria-rowindex={index + 1}
      aria-level={at(trace.depth, span) + 1}
      aria-selected={selected}
      aria-expanded={kids > 0 ? !collapsed : undefined}
      data-matched={matched === null ? undefined : matched}
      data-pale={pale || undefined}
      data-span={at(columns.span_id, span)}
      tabIndex={-1}
      onClick={() => props.onSelect(span)}
    >
      <div className={classes["name"]} role="gridcell" style={{ paddingLeft: 4 + depth * INDENT }}>
        {/* The same element for spans with and without others below, as rows are used again; without, nobody meets it. */}
        <span
          role="button"
          tabIndex={-1}
          aria-hidden={kids === 0}
          className={kids > 0 ? classes["fold"] : classes["leaf"]}
          aria-label={kids > 0 ? `${collapsed ? "Show" : "Hide"} the ${kids} spans below ${name}` : undefined}
          onClick={(event) => {
            if (kids === 0) return;
            event.stopPropagation();
            props.onToggle(span);
          }}
        >
          {kids > 0 && (collapsed ? `+${kids}` : "−")}
        </span>
        <span className={classes["label"]} style={{ borderColor: color }} title={`${service} ${name}`}>
          <span className={classes["service"]}>{service.length > LONG_NAME ? `${service.slice(0, LONG_NAME)}…` : service} </span>
          <span className={classes["operation"]} data-failed={failed || undefined}>
            {name}
          </span>
        </span>
      </div>
      <div
        className={classes["lane"]}
        role="gridcell"
        aria-label={`${failed ? "error " : ""}${durationNs(duration)}, starts at ${durationNs(start)}`}
      >
        <span className={classes["bar"]} data-failed={failed || undefined} style={{ left: `${left}%`, width: `${size}%`, background: color }} />
        {segments?.map((segment) => (
          <span
            key={segment.fromNs}
            className={classes["critical"]}
            style={{
              left: `${((segment.fromNs - fromNs) / widthNs) * 100}%`,
              width: `${((segment.toNs - segment.fromNs) / widthNs) * 100}%`,
            }}
          />
        ))}
        <span
          className={place === "inside" ? classes["timeInside"] : classes["time"]}
          style={
            place === "behind"
              ? { left: `calc(${Math.max(0, left + size)}% + 5px)` }
              : { right: `calc(${place === "before" ? 100 - left : Math.max(0, 100 - left - size)}% + 5px)` }
          }
        >
          {failed && <b>error </b>}
          {durationNs(duration)}
        </span>
      </div>
    </div>
  );
});

function LogRow(props: { line: LogLine; trace: TraceModel; y: number; index: number; shown: Window }): ReactNode {
  const { line, trace, y, index, shown } = props;
  const offset = offsetNs(line.time, trace);
  const span = line.span_id ? trace.indexOf.get(line.span_id) : undefined;
  const depth = span === undefined ? 0 : Math.min(at(trace.depth, span) + 1, 24);
  const text = typeof line.body === "string" ? line.body : JSON.stringify(line.body);
  const left = ((offset - shown.fromNs) / (shown.toNs - shown.fromNs)) * 100;
  return (
    <div className={classes["row"]} data-log style={{ transform: `translateY(${y}px)` }} role="row" aria-rowindex={index + 1}>
      <div className={classes["name"]} role="gridcell" style={{ paddingLeft: 22 + depth * INDENT }}>
        <span className={classes["severity"]} data-severity={line.severity}>
          {line.severity}
        </span>
        <span className={classes["operation"]} title={text}>
          {text}
        </span>
      </div>
      <div className={classes["lane"]} role="gridcell" aria-label={`at ${durationNs(offset)}`}>
        {left >= 0 && left <= 100 && <span className={classes["mark"]} style={{ left: `${left}%` }} data-severity={line.severity} />}
      </div>
    </div>
  );
}

/** Nanoseconds from the trace's start; negative before it. */
export function offsetNs(time: string, trace: TraceModel): number {
  const fraction = /\.(\d{1,9})/.exec(time)?.[1] ?? "";
  const seconds = BigInt(Math.floor(Date.parse(time) / 1000));
  return Number(seconds * 1_000_000_000n + BigInt(fraction.padEnd(9, "0")) - trace.startUnixNs);
}
