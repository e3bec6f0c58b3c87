import { type ReactNode, useCallback, useMemo } from "react";
import type { RangeData } from "../../api/prometheus";
import { Heatmap } from "../../components/charts/heatmap";
import { Empty } from "../../components/view/empty";
import { figure, inUnit } from "../../lib/format";
import { useTimeRange } from "../../state/time-range";
import { ExemplarDots, type Exemplar } from "./exemplars";
import { unitOfExemplars } from "./graph-view";
import { heatOf } from "./heat";
import type { Asked, Grid } from "./results";

/** The buckets of one histogram over time. */
export function HeatView(props: {
  asked: Asked;
  answer: RangeData | undefined;
  grid: Grid;
  exemplars: readonly Exemplar[];
}): ReactNode {
  const { asked, answer, grid, exemplars } = props;
  const range = useTimeRange();
  const cells = useMemo(() => (answer ? heatOf(answer.result, grid) : null), [answer, grid]);
  const unit = unitOfExemplars([asked]);
  const format = useCallback((bound: number) => (Number.isFinite(bound) ? inUnit(bound, unit) : "∞"), [unit]);
  if (cells === null) {
    return (
      <Empty title="These are no buckets">
        A heat map is of a histogram: ask for <code>sum by (le) (rate(…_bucket[5m]))</code>, or for a native histogram.
      </Empty>
    );
  }
  return (
    <Heatmap
      cells={cells}
      height={300}
      format={format}
      describe={figure}
      label={`Heat map: ${cells.rows.length} buckets over ${cells.columns} points`}
      note="The stronger the colour, the more observations."
      onZoom={range.zoom}
      {...(exemplars.length > 0
        ? { overlay: (place) => <ExemplarDots exemplars={exemplars} place={place} unit={unit} byValue /> }
        : {})}
    />
  );
}
