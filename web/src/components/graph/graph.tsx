import { Skeleton } from "@mantine/core";
import type { ReactNode } from "react";
import { later } from "../view/later";
import type { FlowGraphProps } from "./flow-graph";

/** A graph of services; its code is loaded when the first one is shown. */
export const Graph = later<FlowGraphProps>(async () => (await import("./flow-graph")).FlowGraph, Waiting);

function Waiting(): ReactNode {
  return <Skeleton height="100%" animate={false} role="status" aria-label="Loading" />;
}
