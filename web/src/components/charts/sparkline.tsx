import type { ReactNode } from "react";
import classes from "./charts.module.css";

/**
 * A small line without axes: the shape of a figure over the range. Its text says first, highest and last. One figure
 * alone has no shape, and so no line.
 */
export function Sparkline(props: {
  values: (number | null)[];
  color?: string;
  width?: number;
  height?: number;
  label: string;
  format: (value: number) => string;
}): ReactNode {
  const { values, color = "--v-chart-1", width = 96, height = 22, label, format } = props;
  const known = values.filter((value): value is number => value !== null);
  if (known.length < 2) return null;
  const top = Math.max(...known) || 1;
  const step = width / Math.max(1, values.length - 1);
  let path = "";
  let pen = false;
  values.forEach((value, index) => {
    if (value === null) {
      pen = false;
      return;
    }
    path += `${pen ? "L" : "M"}${(index * step).toFixed(1)} ${(height - 1 - (value / top) * (height - 3)).toFixed(1)}`;
    pen = true;
  });
  const text = `${label}: from ${format(known[0] ?? 0)} to ${format(known.at(-1) ?? 0)}, at most ${format(top)}`;
  return (
    <svg className={classes["spark"]} width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img">
      <title>{text}</title>
      <path d={path} fill="none" stroke={`var(${color})`} strokeWidth={1.25} strokeLinejoin="round" />
    </svg>
  );
}
