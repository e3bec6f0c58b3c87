import { Button } from "@mantine/core";
import { type ReactNode, useMemo, useState } from "react";
import type { PrometheusAnswer, RangeData } from "../../api/prometheus";
import { LaterChart } from "../../components/charts/later";
import type { ChartSeries } from "../../components/charts/time-chart";
import { Empty } from "../../components/view/empty";
import { useScheme } from "../../components/view/service-name";
import { exactCount, inUnit, plural } from "../../lib/format";
import { unitOf } from "../../lib/promql";
import { useTimeRange } from "../../state/time-range";
import { ExemplarDots, type Exemplar } from "./exemplars";
import classes from "./explore.module.css";
import { Legend } from "./legend";
import { type Asked, type Grid, type Line, linesOf, MOST_LINES } from "./results";
import type { ExploreSearch } from "./search";

type Answer = PrometheusAnswer<RangeData> | undefined;

/** All queries over time. */
export function GraphView(props: {
  asked: readonly Asked[];
  answers: readonly Answer[];
  former: readonly Answer[];
  grid: Grid;
  exemplars: readonly Exemplar[];
  search: ExploreSearch;
  change: (changed: Partial<ExploreSearch>) => void;
}): ReactNode {
  const { asked, answers, former, grid, exemplars, search, change } = props;
  const range = useTimeRange();
  const lines = useLines(asked, answers, former, grid);
  const [cursor, setCursor] = useState<number | null>(null);
  const [focused, setFocused] = useState<string | null>(null);
  const only = lines.some(({ name }) => name === search.only) ? search.only : undefined;
  const drawn = useMemo(() => lines.filter(({ name }) => only === undefined || name === only).slice(0, MOST_LINES), [lines, only]);
  const stacked = search.stacked === true && drawn.every(({ before }) => !before);
  const series = useMemo(
    () =>
      drawn.map(
        (line): ChartSeries => ({
          label: `${line.full}${line.before ? " before" : ""} ${line.letter}`,
          values: line.values,
          color: line.color,
          dash: line.before,
          kind: stacked || drawn.length === 1 ? "area" : "line",
        }),
      ),
    [drawn, stacked],
  );
  const unit = commonUnit(asked);
  const histograms = answers.reduce((sum, answer) => sum + (answer?.data.result.filter((one) => one.histograms).length ?? 0), 0);
  if (lines.length === 0) {
    return histograms > 0 ? (
      <Empty title={`${plural(histograms, "series", "series")} of histograms`}>
        A histogram has no single value to draw.{" "}
        <Button variant="default" ml={6} onClick={() => change({ as: "heat" })}>
          Show the heat map
        </Button>
      </Empty>
    ) : (
      <Empty title="No samples in this range">Look at a longer range, or ask for less.</Empty>
    );
  }
  const focus = focused === null ? -1 : drawn.findIndex(({ name }) => name === focused);
  return (
    <>
      <LaterChart
        times={grid.times}
        series={series}
        format={(value) => inUnit(value, unit)}
        height={300}
        stacked={stacked}
        legend={false}
        fromMs={range.fromMs}
        toMs={range.toMs}
        onZoom={range.zoom}
        label={`${plural(lines.length, "series", "series")} over time`}
        focus={focus < 0 ? null : focus}
        onCursor={setCursor}
        {...(exemplars.length > 0
          ? {
              overlay: (place) => (
                <ExemplarDots exemplars={exemplars} place={place} unit={unitOfExemplars(asked)} byValue={areObserved(asked)} />
              ),
            }
          : {})}
      />
      {lines.length > MOST_LINES && only === undefined && (
        <p className={classes["note"]}>
          {exactCount(MOST_LINES)} of {exactCount(lines.length)} series are drawn. Add labels, or aggregate with sum by (…).
        </p>
      )}
      <Legend
        lines={lines}
        unit={unit}
        only={only}
        onOnly={(name) => change({ only: name })}
        onFocus={setFocused}
        cursor={cursor}
      />
    </>
  );
}

function useLines(asked: readonly Asked[], answers: readonly Answer[], former: readonly Answer[], grid: Grid): Line[] {
  const scheme = useScheme();
  const range = useTimeRange();
  const shiftMs = range.compareMs ?? 0;
  const now = useMemo(
    () => linesOf(asked, answers.map((answer) => answer?.data), grid, scheme),
    [asked, answers, grid, scheme],
  );
  const before = useMemo(
    () => (shiftMs > 0 ? linesOf(asked, former.map((answer) => answer?.data), grid, scheme, shiftMs) : []),
    [asked, former, grid, scheme, shiftMs],
  );
  return useMemo(() => {
    const colors = new Map(now.map((line) => [`${line.letter} ${line.full}`, line.color]));
    return [...now, ...before.map((line) => ({ ...line, color: colors.get(`${line.letter} ${line.full}`) ?? line.color }))];
  }, [now, before]);
}

/** The unit of the axis, if all queries have the same. */
function commonUnit(asked: readonly Asked[]): "seconds" | "bytes" | "" {
  const [first, ...others] = asked.map(({ expression }) => unitOf(expression));
  return first !== undefined && others.every((unit) => unit === first) ? first : "";
}

/** Whether the values are of what the histogram observed, as exemplars are. */
export function areObserved(asked: readonly Asked[]): boolean {
  return asked.length > 0 && asked.every(({ expression }) => /histogram_(quantile|avg)\s*\(/.test(expression));
}

export function unitOfExemplars(asked: readonly Asked[]): "seconds" | "bytes" | "" {
  return commonUnit(asked.map((one) => ({ ...one, expression: `histogram_avg(${one.expression})` })));
}
