import type { NativeHistogram, RangeSeries } from "../../api/prometheus";
import type { HeatCells } from "../../components/charts/heatmap";
import type { Grid } from "./results";

const MOST_ROWS = 32;

/** Cells of a histogram over time: of series with `le` (cumulative buckets) or of native histograms; null of others. */
export function heatOf(series: readonly RangeSeries[], grid: Grid): HeatCells | null {
  const native = series.some(({ histograms }) => histograms !== undefined);
  if (native) return nativeHeat(series, grid);
  return series.some(({ metric }) => metric["le"] !== undefined) ? classicHeat(series, grid) : null;
}

function frame(grid: Grid, rows: HeatCells["rows"], amounts: number[][]): HeatCells {
  const cells: number[][] = [];
  amounts.forEach((row, index) =>
    row.forEach((amount, column) => {
      if (amount > 0) cells.push([column, index, amount, 0]);
    }),
  );
  const stepMs = grid.stepSeconds * 1000;
  // A point tells of the time before it.
  return { fromMs: grid.startMs - stepMs, stepMs, columns: grid.times.length, rows, cells };
}

function columnOf(seconds: number, grid: Grid): number {
  return Math.round((seconds * 1000 - grid.startMs) / 1000 / grid.stepSeconds);
}

function classicHeat(series: readonly RangeSeries[], grid: Grid): HeatCells {
  const sums = new Map<number, number[]>();
  for (const { metric, values } of series) {
    const bound = metric["le"] === "+Inf" ? Number.POSITIVE_INFINITY : Number(metric["le"] ?? Number.NaN);
    if (Number.isNaN(bound)) continue;
    const row = sums.get(bound) ?? grid.times.map(() => 0);
    for (const [seconds, text] of values ?? []) {
      const column = columnOf(seconds, grid);
      const value = Number(text);
      if (column >= 0 && column < row.length && Number.isFinite(value)) row[column] = (row[column] ?? 0) + value;
    }
    sums.set(bound, row);
  }
  const bounds = [...sums.keys()].toSorted((a, b) => a - b);
  const rows = bounds.map((upper, index) => ({ lower: bounds[index - 1] ?? Math.min(0, upper), upper }));
  const amounts = bounds.map((bound, index) => {
    const below = sums.get(bounds[index - 1] ?? Number.NaN);
    return (sums.get(bound) ?? []).map((sum, column) => sum - (below?.[column] ?? 0));
  });
  return frame(grid, rows, amounts);
}

function nativeHeat(series: readonly RangeSeries[], grid: Grid): HeatCells {
  const all = series.flatMap(({ histograms }) => histograms ?? []);
  const bounds = rowsFor(all.map(([, histogram]) => histogram));
  const amounts = bounds.map(() => grid.times.map(() => 0));
  for (const [seconds, { buckets }] of all) {
    const column = columnOf(seconds, grid);
    if (column < 0 || column >= grid.times.length) continue;
    for (const [, , upper, count] of buckets ?? []) {
      const row = bounds.findIndex((bound) => Number(upper) <= bound.upper * (1 + 1e-9));
      const target = amounts[row === -1 ? bounds.length - 1 : row];
      if (target) target[column] = (target[column] ?? 0) + Number(count);
    }
  }
  return frame(grid, bounds, amounts);
}

/** Rows of powers of two, or of parts of them, that hold all buckets: their own bounds are too many, and change. */
function rowsFor(histograms: readonly NativeHistogram[]): HeatCells["rows"] {
  const uppers = histograms.flatMap(({ buckets }) => (buckets ?? []).map(([, , upper]) => Number(upper)));
  const positive = uppers.filter((upper) => upper > 0 && Number.isFinite(upper));
  if (positive.length === 0) return [{ lower: 0, upper: 1 }];
  let lowest = Number.POSITIVE_INFINITY;
  let highest = 0;
  for (const upper of positive) {
    lowest = Math.min(lowest, upper);
    highest = Math.max(highest, upper);
  }
  const parts = [4, 2, 1].find((n) => (Math.log2(highest) - Math.log2(lowest)) * n < MOST_ROWS) ?? 0.5;
  const first = Math.ceil(Math.log2(lowest) * parts - 1e-9);
  const last = Math.ceil(Math.log2(highest) * parts - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => ({
    lower: 2 ** ((first + index - 1) / parts),
    upper: 2 ** ((first + index) / parts),
  }));
}
