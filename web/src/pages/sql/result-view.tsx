import { type ReactNode, useLayoutEffect, useMemo, useRef, useState } from "react";
import { LaterChart } from "../../components/charts/later";
import type { ChartSeries } from "../../components/charts/time-chart";
import { Empty } from "../../components/view/empty";
import { useScheme } from "../../components/view/service-name";
import { lineColor } from "../../lib/color";
import { count, exactCount } from "../../lib/format";
import { cellText, isNumeric, isTemporal, type SqlResult, timeMs } from "./result";
import classes from "./sql.module.css";

const ROW_HEIGHT = 25;
const OVERSCAN = 12;
const MOST_SERIES = 12;

/** Rows and columns; only the rows in sight are in the document. */
export function ResultTable({ result }: { result: SqlResult }): ReactNode {
  const scroller = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(480);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  if (result.rows.length === 0) return <Empty title="The statement has no rows" />;
  const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - OVERSCAN);
  const last = Math.min(result.rows.length, Math.ceil((top + height) / ROW_HEIGHT) + OVERSCAN);
  return (
    <div
      ref={scroller}
      className={classes["table"]}
      tabIndex={0}
      role="region"
      aria-label="Rows of the result"
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
    >
      <table aria-label="Result" aria-rowcount={result.rows.length + 1}>
        <thead>
          <tr>
            <th aria-label="Number" />
            {result.columns.map((column, index) => (
              <th key={index} scope="col" className={isNumeric(column) ? "num" : undefined} title={column.type}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {first > 0 && <Gap rows={first} />}
          {result.rows.slice(first, last).map((row, offset) => (
            <tr key={first + offset} aria-rowindex={first + offset + 2}>
              <td className={classes["number"]}>{first + offset + 1}</td>
              {row.map((value, index) => {
                const column = result.columns[index];
                const text = cellText(value);
                return (
                  <td
                    key={index}
                    className={value === null ? "dim" : column && isNumeric(column) ? "num" : undefined}
                    title={text.length > 40 ? text.slice(0, 2_000) : undefined}
                  >
                    {text.slice(0, 400)}
                  </td>
                );
              })}
            </tr>
          ))}
          {last < result.rows.length && <Gap rows={result.rows.length - last} />}
        </tbody>
      </table>
    </div>
  );
}

/** The room of rows that are not in the document. */
function Gap({ rows }: { rows: number }): ReactNode {
  return <tr aria-hidden style={{ height: rows * ROW_HEIGHT }} />;
}

/** The result as a picture: over time if a column is a time, else a bar for each row. */
export function ResultChart({ result, kind }: { result: SqlResult; kind: "line" | "bars" }): ReactNode {
  const scheme = useScheme();
  const picture = useMemo(() => pictureOf(result), [result]);
  if (picture === null) {
    return (
      <Empty title="Nothing to draw">
        A picture needs a column with numbers, and a column with times or names beside it.
      </Empty>
    );
  }
  if (picture.times !== null) {
    const series = picture.series.map((one, index) => ({ ...one, kind, color: lineColor(index, scheme) }));
    return (
      <LaterChart
        label="The result over time"
        times={picture.times}
        series={series}
        stacked={kind === "bars" && series.length > 1}
        format={count}
        height={300}
      />
    );
  }
  return <Bars names={picture.names} values={picture.series[0]?.values ?? []} what={picture.series[0]?.label ?? ""} />;
}

function Bars({ names, values, what }: { names: string[]; values: (number | null)[]; what: string }): ReactNode {
  const top = Math.max(...values.map((value) => value ?? 0), 0) || 1;
  return (
    <table className={classes["bars"]} aria-label={`${what} as bars`}>
      <tbody>
        {names.map((name, index) => (
          <tr key={index}>
            <th scope="row" className="ellipsis" title={name}>
              {name}
            </th>
            <td>
              <i style={{ width: `${(80 * Math.max(0, values[index] ?? 0)) / top}%` }} />
              {values[index] === null ? "–" : exactCount(values[index] ?? 0)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface Picture {
  times: number[] | null;
  names: string[];
  series: ChartSeries[];
}

const MOST_BARS = 50;

function pictureOf({ columns, rows }: SqlResult): Picture | null {
  const numeric = columns.flatMap((column, index) => (isNumeric(column) ? [index] : []));
  const time = columns.findIndex(isTemporal);
  const named = columns.findIndex((column, index) => index !== time && !isNumeric(column));
  if (numeric.length === 0 || rows.length === 0 || (time < 0 && named < 0)) return null;
  if (time < 0) {
    const texts = columns.flatMap((column, text) => (isNumeric(column) ? [] : [text]));
    const shown = rows.slice(0, MOST_BARS);
    const index = numeric[0] ?? 0;
    const values = shown.map((row) => numberOf(row[index]));
    return {
      times: null,
      names: shown.map((row) => texts.map((text) => cellText(row[text])).join(" · ")),
      series: [{ label: columns[index]?.name ?? "", color: "--v-chart-1", values }],
    };
  }
  return { names: [], ...overTime(columns, rows, time, named, numeric) };
}

/** One line for each number, or, where a name stands beside the time, one for each name. */
function overTime(
  columns: SqlResult["columns"],
  rows: unknown[][],
  time: number,
  named: number,
  numeric: number[],
): { times: number[]; series: ChartSeries[] } {
  const times = [...new Set(rows.map((row) => timeMs(row[time])))].filter((ms) => !Number.isNaN(ms)).toSorted((a, b) => a - b);
  const place = new Map(times.map((ms, index) => [ms, index]));
  const lines = new Map<string, (number | null)[]>();
  for (const row of rows) {
    const index = place.get(timeMs(row[time]));
    if (index === undefined) continue;
    for (const column of named < 0 ? numeric : numeric.slice(0, 1)) {
      const label = named < 0 ? (columns[column]?.name ?? "") : cellText(row[named]);
      let values = lines.get(label);
      if (values === undefined) {
        if (lines.size >= MOST_SERIES) continue;
        values = times.map(() => null);
        lines.set(label, values);
      }
      values[index] = numberOf(row[column]);
    }
  }
  const series = [...lines].map(([label, values]): ChartSeries => ({
    label,
    color: "--v-chart-1",
    values,
  }));
  return { times, series };
}

function numberOf(value: unknown): number | null {
  const number = value === null ? Number.NaN : Number(value);
  return Number.isFinite(number) ? number : null;
}
