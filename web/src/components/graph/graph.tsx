import { lazy, type ReactNode, Suspense } from "react";
import { Skeleton } from "@mantine/core";
import type { FlowGraphProps } from "./flow-graph";

const FlowGraph = lazy(async () => ({ default: (await import("./flow-graph")).FlowGraph }));

/** A graph of services; its code is loaded when the first one is shown. */
export function Graph(props: FlowGraphProps): ReactNode {
  return (
    <Suspense fallback={<Skeleton height="100%" animate={false} />}>
      <FlowGraph {...props} />
    </Suspense>
  );
}
