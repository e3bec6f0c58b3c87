import { lazy, type ReactNode, Suspense } from "react";
import type { TimeChartProps } from "./time-chart";

const TimeChart = lazy(async () => ({ default: (await import("./time-chart")).TimeChart }));

/** A chart over time where none stands at first; its code is loaded when the first one is shown. */
export function LaterChart(props: TimeChartProps): ReactNode {
  return (
    <Suspense fallback={<div style={{ height: props.height }} />}>
      <TimeChart {...props} />
    </Suspense>
  );
}
