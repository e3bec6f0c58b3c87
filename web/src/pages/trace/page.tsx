import { useDocumentTitle } from "@mantine/hooks";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { memo, type ReactNode, useCallback, useMemo, useState } from "react";
import { useGet } from "../../api/use-get";
import { Copy } from "../../components/view/copy";
import { QueryView } from "../../components/view/query-view";
import { When } from "../../components/view/when";
import { durationNs, exactCount, plural } from "../../lib/format";
import { Flame } from "./flame";
import { Minimap } from "./minimap";
import { at, criticalPath, type Segment, type TraceModel, visibleSpans } from "./model";
import { formatPart, parsePart, type TraceSearch, type Window } from "./search";
import { SpanDrawer } from "./span-drawer";
import { Statistics, useStatisticsSoon } from "./statistics";
import { ServiceChips, Toolbar, TraceActions } from "./toolbar";
import classes from "./trace.module.css";
import { TraceGraph } from "./trace-graph";
import { TraceLogs } from "./trace-logs";
import { useFound } from "./use-found";
import { useTrace } from "./use-trace";
import { type Row, Waterfall } from "./waterfall";
import type { Schemas } from "../../api/client";

const NO_LOGS: Schemas["LogLine"][] = [];

export function TracePage(): ReactNode {
  const { traceId } = useParams({ from: "/traces/$traceId" });
  const { trace, query } = useTrace(traceId);
  useDocumentTitle(`Trace ${traceId.slice(0, 8)} · Vedette`);
  return (
    <div className={classes["page"]}>
      {trace === null ? (
        <>
          <div className={classes["head"]}>
            <h1>Trace {traceId}</h1>
          </div>
          <QueryView query={query}>{() => null}</QueryView>
        </>
      ) : (
        <LoadedTrace key={trace.traceId} trace={trace} />
      )}
    </div>
  );
}

function LoadedTrace({ trace }: { trace: TraceModel }): ReactNode {
  const search = useSearch({ from: "/traces/$traceId" });
  const navigate = useNavigate({ from: "/traces/$traceId" });
  const change = useCallback(
    (changed: TraceSearch) => void navigate({ search: (before) => ({ ...before, ...changed }), replace: true }),
    [navigate],
  );
  useStatisticsSoon(trace);
  const view = search.view ?? "waterfall";
  const window = useMemo(() => parsePart(search.part, trace.durationNs), [search.part, trace]);
  const shown = window ?? { fromNs: 0, toNs: trace.durationNs };
  const setWindow = (next: Window | null): void => change({ part: next === null ? undefined : formatPart(next) });
  const hidden = useMemo(() => new Set(search.hide ?? []), [search.hide]);
  const logs = useGet(
    "/api/v1/traces/{trace_id}/logs",
    { params: { path: { trace_id: trace.traceId }, query: { limit: 1_000 } } },
    { enabled: search.logs === true || view === "logs" },
  );
  const { matches, problem } = useFound(trace, search.find);
  const [place, setPlace] = useState(0);
  const [goTo, setGoTo] = useState<{ row: Row; turn: number } | null>(() => {
    const span = search.span === undefined ? undefined : trace.indexOf.get(search.span);
    return span === undefined ? null : { row: span, turn: 0 };
  });
  const { collapsed, toggle, fold, reveal } = useFolding(trace);
  const selected = search.span === undefined ? null : (trace.indexOf.get(search.span) ?? null);
  const select = useCallback((span: number) => change({ span: at(trace.columns.span_id, span) }), [change, trace]);

  const step = (by: 1 | -1): void => {
    if (matches === null || matches.length === 0) return;
    const next = goTo === null ? 0 : (place + by + matches.length) % matches.length;
    const span = at(matches, next);
    setPlace(next);
    reveal(span);
    setGoTo({ row: span, turn: (goTo?.turn ?? 0) + 1 });
    select(span);
  };
  const onSpan = (span: number): void => {
    reveal(span);
    setGoTo({ row: span, turn: (goTo?.turn ?? 0) + 1 });
    change({ span: at(trace.columns.span_id, span), view: undefined });
  };
  const lines = logs.data?.logs ?? NO_LOGS;
  return (
    <>
      <Head trace={trace} />
      <Toolbar
        search={search}
        change={change}
        found={{ count: matches?.length ?? null, place, problem }}
        step={step}
        narrowed={window !== null}
        onWhole={() => setWindow(null)}
        onFold={fold}
      />
      <ServiceChips trace={trace} hidden={hidden} change={change} />
      <div className={classes["body"]}>
        <div className={classes["main"]}>
          {view === "waterfall" && (
            <Spans
              trace={trace}
              search={search}
              lines={search.logs === true ? lines : NO_LOGS}
              hidden={hidden}
              collapsed={collapsed}
              matches={matches}
              shown={shown}
              selected={selected}
              goTo={goTo}
              onWindow={setWindow}
              onSelect={select}
              onToggle={toggle}
            />
          )}
          {view === "flame" && <Flame trace={trace} hidden={hidden} />}
          {view === "statistics" && <Statistics trace={trace} hidden={hidden} />}
          {view === "graph" && <TraceGraph trace={trace} />}
          {view === "logs" && (
            <QueryView query={logs}>{(data) => <TraceLogs trace={trace} lines={data.logs} onSpan={onSpan} />}</QueryView>
          )}
        </div>
        {selected !== null && <SpanDrawer trace={trace} span={selected} onClose={() => change({ span: undefined })} />}
      </div>
    </>
  );
}

const Head = memo(function Head({ trace }: { trace: TraceModel }): ReactNode {
  const root = trace.roots[0] ?? 0;
  const orphans = trace.orphan.reduce((sum, value) => sum + value, 0);
  return (
    <div className={classes["head"]}>
      <h1>
        {at(trace.columns.service, root)} {at(trace.columns.name, root)}
      </h1>
      <TraceActions traceId={trace.traceId} />
      <div className={classes["facts"]}>
        <span>
          <When time={Number(trace.startUnixNs / 1_000_000n)} fraction />
        </span>
        <span>
          <b>{durationNs(trace.durationNs)}</b>
        </span>
        <span>
          <b data-testid="span-count">{exactCount(trace.size)}</b> {trace.size === 1 ? "span" : "spans"}
        </span>
        <span>{plural(trace.services.length, "service")}</span>
        {trace.errors > 0 && <span className="error-text">{plural(trace.errors, "error")}</span>}
        {orphans > 0 && (
          <span className="warn-text" title="Their parents have not arrived, or were not kept">
            {plural(orphans, "span")} without the parent it names
          </span>
        )}
        <span className="mono">
          {trace.traceId} <Copy value={trace.traceId} what="the trace id" />
        </span>
      </div>
    </div>
  );
});

function Spans(props: {
  trace: TraceModel;
  search: TraceSearch;
  lines: Schemas["LogLine"][];
  hidden: ReadonlySet<string>;
  collapsed: ReadonlySet<number>;
  matches: number[] | null;
  shown: Window;
  selected: number | null;
  goTo: { row: Row; turn: number } | null;
  onWindow: (window: Window | null) => void;
  onSelect: (span: number) => void;
  onToggle: (span: number) => void;
}): ReactNode {
  const { trace, search, lines, hidden, collapsed, matches } = props;
  const rows = useMemo(
    () => withLogs(trace, visibleSpans(trace, collapsed, hidden), lines),
    [trace, collapsed, hidden, lines],
  );
  const critical = useMemo(() => (search.critical ? bySpan(criticalPath(trace)) : null), [trace, search.critical]);
  const matched = useMemo(() => (matches === null ? null : new Set(matches)), [matches]);
  return (
    <>
      <Minimap trace={trace} shown={props.shown} onWindow={props.onWindow} />
      <Waterfall
        trace={trace}
        rows={rows}
        logs={lines}
        shown={props.shown}
        selected={props.selected}
        collapsed={collapsed}
        matches={matched}
        critical={critical}
        goTo={props.goTo}
        onSelect={props.onSelect}
        onToggle={props.onToggle}
      />
    </>
  );
}

/** Each line stands below its span; those of no span that is shown come first. */
function withLogs(trace: TraceModel, spans: number[], lines: Schemas["LogLine"][]): Row[] {
  if (lines.length === 0) return spans;
  const shown = new Set(spans);
  const below = new Map<number, Row[]>();
  const free: Row[] = [];
  lines.forEach((line, index) => {
    const span = line.span_id ? trace.indexOf.get(line.span_id) : undefined;
    if (span === undefined || !shown.has(span)) free.push(-1 - index);
    else below.set(span, [...(below.get(span) ?? []), -1 - index]);
  });
  return [...free, ...spans.flatMap((span) => [span, ...(below.get(span) ?? [])])];
}

function bySpan(segments: Segment[]): Map<number, Segment[]> {
  const found = new Map<number, Segment[]>();
  for (const segment of segments) found.set(segment.span, [...(found.get(segment.span) ?? []), segment]);
  return found;
}

function useFolding(trace: TraceModel): {
  collapsed: ReadonlySet<number>;
  toggle: (span: number) => void;
  fold: (all: boolean) => void;
  reveal: (span: number) => void;
} {
  const [collapsed, setCollapsed] = useState<ReadonlySet<number>>(() => new Set());
  const toggle = useCallback((span: number) => {
    setCollapsed((before) => {
      const next = new Set(before);
      if (!next.delete(span)) next.add(span);
      return next;
    });
  }, []);
  const fold = useCallback(
    (all: boolean) => {
      const roots = new Set(trace.roots);
      const inner = Array.from(trace.order).filter((span) => at(trace.subtree, span) > 1 && !roots.has(span));
      setCollapsed(all ? new Set(inner) : new Set());
    },
    [trace],
  );
  /** A span inside of something collapsed cannot be shown otherwise. */
  const reveal = useCallback(
    (span: number) => {
      setCollapsed((before) => {
        const next = new Set(before);
        for (let p = at(trace.parent, span); p !== -1; p = at(trace.parent, p)) next.delete(p);
        return next.size === before.size ? before : next;
      });
    },
    [trace],
  );
  return { collapsed, toggle, fold, reveal };
}
