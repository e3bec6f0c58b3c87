import { type KeyboardEvent, memo, type ReactNode, useCallback, useEffect, useRef } from "react";
import { useScheme } from "../../components/view/service-name";
import { type Scheme, serviceColor } from "../../lib/color";
import { clock, dateTime, type Zone } from "../../lib/time";
import { useLatest } from "../../lib/use-latest";
import { revealRow, useRowsInSight } from "../../lib/use-rows-in-sight";
import { usePreferences } from "../../state/preferences";
import { bodyText, fieldText, type Line } from "./line";
import classes from "./logs.module.css";

const ROW_HEIGHT = 23;
const OVERSCAN = 4;
/** How many rows before the end the next page is asked for. */
const AHEAD = 120;

export interface LineListProps {
  lines: Line[];
  columns: readonly string[];
  selected: string | null;
  onSelect: (id: string | null) => void;
  /** Called when the end comes near. */
  onEnd?: () => void;
  /** Whether days differ, so that they must be told. */
  withDate: boolean;
}

/** Lines, one below the other. Only those in sight are in the document. */
export function LineList(props: LineListProps): ReactNode {
  const { lines, columns, selected, onSelect, onEnd, withDate } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const scheme = useScheme();
  const { zone } = usePreferences();
  const { first, last, rowOf, onScroll } = useRowsInSight(scroller, { count: lines.length, height: ROW_HEIGHT, more: OVERSCAN });
  const end = useLatest(onEnd);
  const selecting = useLatest(onSelect);
  // The same function for every render, so that rows which stay are not drawn again.
  const select = useCallback((id: string | null) => selecting.current(id), [selecting]);
  const isNearEnd = last >= lines.length - AHEAD;
  useEffect(() => {
    if (isNearEnd && lines.length > 0) end.current?.();
  }, [isNearEnd, lines.length, end]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowDown" || event.key === "j" ? 1 : event.key === "ArrowUp" || event.key === "k" ? -1 : 0;
    if (step === 0) return;
    const index = lines.findIndex((line) => line.id === selected);
    const next = Math.min(lines.length - 1, Math.max(0, index + step));
    const line = lines[next];
    if (line === undefined) return;
    event.preventDefault();
    onSelect(line.id);
    revealRow(scroller.current, next, ROW_HEIGHT);
  };
  return (
    <div
      ref={scroller}
      className={classes["scroller"]}
      tabIndex={0}
      role="grid"
      aria-label="Log lines"
      aria-rowcount={lines.length}
      aria-activedescendant={lines.slice(first, last).some(({ id }) => id === selected) ? `line-${selected}` : undefined}
      onKeyDown={onKeyDown}
      onScroll={onScroll}
    >
      <div className={classes["sized"]} style={{ height: lines.length * ROW_HEIGHT }} role="rowgroup">
        {rowOf.map((index, slot) => {
          const line = index < last ? lines[index] : undefined;
          return line === undefined ? null : (
            <Row
              key={slot}
              line={line}
              index={index}
              columns={columns}
              selected={line.id === selected}
              onSelect={select}
              zone={zone}
              scheme={scheme}
              withDate={withDate}
            />
          );
        })}
      </div>
    </div>
  );
}

interface RowProps {
  line: Line;
  index: number;
  columns: readonly string[];
  selected: boolean;
  onSelect: (id: string | null) => void;
  zone: Zone;
  scheme: Scheme;
  withDate: boolean;
}

const Row = memo(function Row(props: RowProps): ReactNode {
  const { line, index, columns, selected, onSelect, zone, scheme, withDate } = props;
  const ms = Date.parse(line.time);
  return (
    <div
      id={`line-${line.id}`}
      role="row"
      aria-rowindex={index + 1}
      aria-selected={selected}
      className={classes["row"]}
      style={{ transform: `translateY(${index * ROW_HEIGHT}px)` }}
      data-severity={line.severity}
      onClick={() => onSelect(selected ? null : line.id)}
    >
      <span role="gridcell" className={classes["time"]} data-dated={withDate || undefined}>
        {withDate ? dateTime(ms, zone, { fraction: true }).slice(5) : clock(ms, zone, { fraction: true })}
      </span>
      <span role="gridcell" className={classes["severity"]}>
        {line.severity === "unset" ? "" : line.severity}
      </span>
      <span role="gridcell" className={classes["serviceCell"]} title={line.service}>
        <i style={{ background: serviceColor(line.service, scheme) }} />
        {line.service}
      </span>
      {columns.map((name) => (
        <span key={name} role="gridcell" className={classes["extra"]} title={`${name}: ${fieldText(line, name)}`}>
          {fieldText(line, name)}
        </span>
      ))}
      <span role="gridcell" className={classes["message"]}>
        {bodyText(line).slice(0, 600)}
      </span>
    </div>
  );
});
