import { Skeleton } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Problem } from "./problem";
import classes from "./view.module.css";

/** What a query answered. While the next answer is on its way the former stays, dimmed if it takes long. */
export function QueryView<T>(props: {
  query: UseQueryResult<T, Error>;
  children: (data: T) => ReactNode;
  /** Lines of the placeholder before the first answer. */
  lines?: number;
}): ReactNode {
  const { query, children, lines = 4 } = props;
  if (query.isError) return <Problem error={query.error} />;
  if (query.data === undefined) return <Loading lines={lines} />;
  return <div className={query.isPlaceholderData ? classes["stale"] : classes["fresh"]}>{children(query.data)}</div>;
}

/** Stands where an answer is going to be. */
export function Loading({ lines }: { lines: number }): ReactNode {
  return (
    <div className={classes["skeleton"]} role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        <Skeleton key={index} height={14} radius="sm" animate={false} />
      ))}
    </div>
  );
}
