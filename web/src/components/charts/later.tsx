import type { ReactNode } from "react";
import { later } from "../view/later";
import type { TimeChartProps } from "./time-chart";

/** A chart over time where none stands at first; its code is loaded when the first one is shown. */
export const LaterChart = later<TimeChartProps>(async () => (await import("./time-chart")).TimeChart, Waiting);

function Waiting({ height }: TimeChartProps): ReactNode {
  return <div style={{ height }} data-ready={false} />;
}
