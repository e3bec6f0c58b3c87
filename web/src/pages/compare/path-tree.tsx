import { type CSSProperties, memo, type ReactNode, useCallback, useMemo, useRef, useState } from "react";
import { useScheme } from "../../components/view/service-name";
import { type Scheme, serviceColor } from "../../lib/color";
import { durationNs, exactPlural } from "../../lib/format";
import { useRowsInSight } from "../../lib/use-rows-in-sight";
import type { TraceModel } from "../trace/model";
import classes from "./compare.module.css";
import { comparedPaths, differenceOf, type Path, type PathSide, visiblePaths } from "./paths";

const ROW_HEIGHT = 36;
const OVERSCAN = 4;
const DEEPEST = 24;

/** Two traces laid over each other: which calls only one of them has, and where the time went. */
export function PathTree({ a, b }: { a: TraceModel; b: TraceModel }): ReactNode {
  const paths = useMemo(() => comparedPaths(a, b), [a, b]);
  const longestNs = useMemo(() => Math.max(1, ...paths.flatMap((path) => [path.a?.totalNs ?? 0, path.b?.totalNs ?? 0])), [paths]);
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const rows = useMemo(() => visiblePaths(paths, folded), [paths, folded]);
  const scroller = useRef<HTMLDivElement>(null);
  const scheme = useScheme();
  const { last, rowOf, onScroll } = useRowsInSight(scroller, { count: rows.length, height: ROW_HEIGHT, more: OVERSCAN });
  const fold = useCallback(
    (id: number) =>
      setFolded((before) => {
        const next = new Set(before);
        if (!next.delete(id)) next.add(id);
        return next;
      }),
    [],
  );
  return (
    <>
      <p className={classes["summary"]} role="status">
        {summary(paths)}
      </p>
      <div className={classes["head"]} aria-hidden>
        <span>Service and operation</span>
        <span>Spans</span>
        <span>Time in the first, in the second; strong: the operation&apos;s own</span>
        <span>Difference</span>
      </div>
      <div
        ref={scroller}
        className={classes["rows"]}
        style={{ height: Math.min(rows.length, 18) * ROW_HEIGHT }}
        role="treegrid"
        aria-label="Calls of both traces"
        aria-rowcount={rows.length}
        tabIndex={0}
        onScroll={onScroll}
      >
        <div className={classes["sized"]} style={{ height: rows.length * ROW_HEIGHT }} role="presentation">
          {rowOf.map((index, slot) => {
            const path = index < last ? rows[index] : undefined;
            return path === undefined ? null : (
              <Row key={slot} path={path} index={index} longestNs={longestNs} scheme={scheme} folded={folded.has(path.id)} onFold={fold} />
            );
          })}
        </div>
      </div>
    </>
  );
}

function summary(paths: readonly Path[]): string {
  const only = (side: "a" | "b"): number => paths.filter((path) => path[side === "a" ? "b" : "a"] === null).length;
  const both = paths.length - only("a") - only("b");
  return `${exactPlural(both, "call")} in both, ${only("a")} only in the first, ${only("b")} only in the second`;
}

interface RowProps {
  path: Path;
  index: number;
  longestNs: number;
  scheme: Scheme;
  folded: boolean;
  onFold: (id: number) => void;
}

const Row = memo(function Row({ path, index, longestNs, scheme, folded, onFold }: RowProps): ReactNode {
  const { service, name, depth, a, b, size } = path;
  const difference = differenceOf(path);
  const ns = (b?.totalNs ?? 0) - (a?.totalNs ?? 0);
  const failed = (a?.errors ?? 0) + (b?.errors ?? 0) > 0;
  const below = size - 1;
  return (
    <div
      className={classes["row"]}
      style={{ transform: `translateY(${index * ROW_HEIGHT}px)` }}
      role="row"
      aria-rowindex={index + 1}
      aria-level={depth + 1}
      aria-expanded={below > 0 ? !folded : undefined}
      data-difference={difference.kind}
    >
      <div className={classes["name"]} role="gridcell" style={{ "--depth": Math.min(depth, DEEPEST) } as CSSProperties}>
        {below > 0 ? (
          <button
            type="button"
            className={classes["fold"]}
            aria-label={`${folded ? "Show" : "Hide"} what is below ${name}`}
            onClick={() => onFold(path.id)}
          >
            {folded ? `+${below}` : "−"}
          </button>
        ) : (
          <span className={classes["leaf"]} />
        )}
        <span className={classes["label"]} style={{ borderColor: serviceColor(service, scheme) }} title={`${service} ${name}`}>
          <span className="dim">{service} </span>
          <span data-failed={failed || undefined}>{name}</span>
        </span>
        {difference.text !== "" && <b className={classes["tag"]}>{difference.text}</b>}
      </div>
      <div className={classes["spans"]} role="gridcell">
        {spansOf(a)} → {spansOf(b)}
      </div>
      <div className={classes["lane"]} role="gridcell" aria-label={`${timeOf(a)} in the first, ${timeOf(b)} in the second`}>
        <Bar side={a} longestNs={longestNs} />
        <Bar side={b} longestNs={longestNs} second />
      </div>
      <div className={classes["delta"]} role="gridcell" data-longer={ns > 0 || undefined}>
        {ns > 0 ? "+" : ns < 0 ? "−" : ""}
        {durationNs(Math.abs(ns))}
      </div>
    </div>
  );
});

function Bar({ side, longestNs, second = false }: { side: PathSide | null; longestNs: number; second?: boolean }): ReactNode {
  const share = (ns: number): string => `${(ns / longestNs) * 100}%`;
  return (
    <span className={classes["side"]} data-second={second || undefined}>
      {side !== null && (
        <>
          <span className={classes["bar"]} style={{ width: share(side.totalNs) }}>
            <span className={classes["self"]} style={{ width: `${(side.selfNs / (side.totalNs || 1)) * 100}%` }} />
          </span>
          <span className={classes["time"]}>
            {side.errors > 0 && <b>{exactPlural(side.errors, "error")} </b>}
            {durationNs(side.totalNs)}
          </span>
        </>
      )}
    </span>
  );
}

function spansOf(side: PathSide | null): string {
  return side === null ? "–" : String(side.spans);
}

function timeOf(side: PathSide | null): string {
  if (side === null) return "nothing";
  return `${side.errors > 0 ? `${exactPlural(side.errors, "error")} ` : ""}${durationNs(side.totalNs)}`;
}
