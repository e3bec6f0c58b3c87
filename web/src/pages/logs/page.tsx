import { CloseButton, SegmentedControl } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { memo, type ReactNode, useCallback, useState } from "react";
import { ApiProblem } from "../../api/client";
import { useGet } from "../../api/use-get";
import { LogHistogram } from "../../components/histogram/log-histogram";
import { LogQuery } from "../../components/query-input/log-query";
import { Empty, NothingSent } from "../../components/view/empty";
import { Page } from "../../components/view/page";
import { Panel } from "../../components/view/panel";
import { Problem } from "../../components/view/problem";
import { Loading, QueryView } from "../../components/view/query-view";
import { exactCount, exactPlural, plural } from "../../lib/format";
import { withTerm } from "../../lib/lucene";
import { iso } from "../../lib/time";
import { useTimeRange } from "../../state/time-range";
import { histogramAsk } from "./asks";
import { Facets, FieldPicker } from "./facets";
import { LineDrawer } from "./line-drawer";
import { LineList } from "./line-list";
import classes from "./logs.module.css";
import { Patterns } from "./patterns";
import type { LogsSearch } from "./search";
import { TailBar, Toolbar } from "./toolbar";
import { useLines } from "./use-lines";
import { TAIL_LINES, useTail } from "./use-tail";

const DAY_MS = 86_400_000;
const NO_FIELDS: string[] = [];

export function LogsPage(): ReactNode {
  const search = useSearch({ from: "/logs" });
  const navigate = useNavigate({ from: "/logs" });
  const range = useTimeRange();
  const [paused, setPaused] = useState(false);
  const q = search.q ?? "";
  const live = search.live ?? false;
  const patterns = search.patterns === true && !live;
  const columns = search.columns ?? NO_FIELDS;
  // The same functions for every render, so that a part which stays is not drawn again.
  const change = useCallback(
    (changed: Partial<LogsSearch>) => void navigate({ search: (before) => ({ ...before, ...changed }) }),
    [navigate],
  );
  const ask = (next: string): void => change({ q: next === "" ? undefined : next, line: undefined });
  const setColumns = useCallback(
    (next: string[]) => change({ columns: next.length === 0 ? undefined : next }),
    [change],
  );
  const order = useCallback((oldest: true | undefined) => change({ oldest }), [change]);
  const choose = useCallback(
    (facets: string[]) => change({ facets: facets.length === 0 ? undefined : facets }),
    [change],
  );
  const addColumn = (name: string): void => setColumns([...new Set([...columns, name])]);

  const { query, lines } = useLines(search, !live && !patterns);
  const tail = useTail(q, live, paused);
  const histogram = useGet(...histogramAsk(search, range.query), { enabled: !live });
  const shift = range.compareMs ?? 0;
  const before = { from: iso(range.fromMs - shift), to: iso(range.toMs - shift) };
  const former = useGet(...histogramAsk(search, before), { enabled: !live && shift > 0 });
  const failure = live ? tail.problem : (query.error ?? histogram.error);
  const queryProblem = failure instanceof ApiProblem && failure.status === 400 ? failure : null;
  const total = histogram.data?.total;
  const select = (line: string | null): void => change({ line: line ?? undefined });
  const list = {
    columns,
    selected: search.line ?? null,
    onSelect: select,
    withDate: !live && range.toMs - range.fromMs > DAY_MS,
  };
  return (
    <Page
      title="Logs"
      actions={
        <Toolbar search={search} change={change} replace={(next) => void navigate({ search: (before) => keepGlobal(before, next) })} />
      }
    >
      <LogQuery value={q} onSubmit={ask} problem={queryProblem} busy={query.isFetching && !live} />
      {failure && queryProblem === null && <Problem error={failure} />}
      {queryProblem !== null ? null : live ? (
        <TailBar tail={tail} paused={paused} onPause={setPaused} />
      ) : (
        <Panel flush label="Lines over time">
          <QueryView query={histogram} lines={3}>
            {(data) => (
              <LogHistogram
                histogram={data}
                former={shift > 0 ? former.data : undefined}
                fromMs={range.fromMs}
                toMs={range.toMs}
                onZoom={range.zoom}
              />
            )}
          </QueryView>
        </Panel>
      )}
      {queryProblem !== null ? null : patterns ? (
        <Patterns q={q} onQuery={(next) => change({ q: next, patterns: undefined })} />
      ) : !live && query.data !== undefined && lines.length === 0 ? (
        <NoLines q={q} />
      ) : (
        <div
          className={classes["columns"]}
          data-drawer={search.line !== undefined || undefined}
          data-live={live || undefined}
        >
          {!live && (
            <Facets
              search={search}
              onChosen={choose}
              onQuery={ask}
              onColumn={addColumn}
            />
          )}
          <section className={classes["lines"]} aria-label="Lines">
            <ListHead
              columns={columns}
              setColumns={setColumns}
              order={live ? null : search.oldest ? "oldest" : "newest"}
              onOldest={order}
              note={live ? `the newest ${exactCount(TAIL_LINES)} are kept` : total === undefined ? "" : exactPlural(total, "line")}
            />
            {live ? (
              <LineList {...list} lines={tail.lines} />
            ) : query.data === undefined ? (
              query.isFetching && <Loading lines={16} />
            ) : (
              <>
                <LineList
                  {...list}
                  lines={lines}
                  onEnd={() => {
                    if (query.hasNextPage && !query.isFetchingNextPage) void query.fetchNextPage();
                  }}
                />
                <p className={classes["foot"]} role="status">
                  {query.hasNextPage
                    ? `${exactCount(lines.length)} lines are here; more come as you scroll.`
                    : `That is all: ${plural(lines.length, "line")}.`}
                </p>
              </>
            )}
          </section>
          {search.line !== undefined && (
            <LineDrawer
              id={search.line}
              known={(live ? tail.lines : lines).find(({ id }) => id === search.line)}
              onClose={() => select(null)}
              onSelect={select}
              onTerm={(term) => ask(withTerm(q, term))}
              onColumn={addColumn}
            />
          )}
        </div>
      )}
    </Page>
  );
}

/** The page's own state as given, what belongs to all pages as it was. */
function keepGlobal<T extends object>(before: T, next: LogsSearch): T & LogsSearch {
  const cleared: Record<keyof LogsSearch, undefined> = {
    q: undefined,
    patterns: undefined,
    oldest: undefined,
    columns: undefined,
    facets: undefined,
    line: undefined,
    live: undefined,
  };
  return { ...before, ...cleared, ...next };
}

const ListHead = memo(function ListHead(props: {
  columns: readonly string[];
  setColumns: (columns: string[]) => void;
  order: "newest" | "oldest" | null;
  onOldest: (oldest: true | undefined) => void;
  note: string;
}): ReactNode {
  const { columns, setColumns, order, onOldest, note } = props;
  return (
    <header className={classes["listHead"]}>
      <span className="dim">{note}</span>
      {columns.map((name) => (
        <span key={name} className={classes["column"]}>
          {name}
          <CloseButton
            size={16}
            aria-label={`Remove the column ${name}`}
            onClick={() => setColumns(columns.filter((other) => other !== name))}
          />
        </span>
      ))}
      <FieldPicker
        placeholder="Add a column…"
        label="Add a column"
        without={[...columns, "service", "severity"]}
        onPick={(name) => setColumns([...columns, name])}
      />
      {order !== null && (
        <SegmentedControl
          aria-label="Order"
          value={order}
          onChange={(value) => onOldest(value === "oldest" ? true : undefined)}
          data={[
            { value: "newest", label: "Newest" },
            { value: "oldest", label: "Oldest" },
          ]}
        />
      )}
    </header>
  );
});

function NoLines({ q }: { q: string }): ReactNode {
  const range = useTimeRange();
  return (
    <Panel>
      {q === "" ? (
        <NothingSent
          signal="logs"
          title={`No log lines in this range (${range.label.toLowerCase()})`}
          note="If nothing is sent yet, this sends it:"
        />
      ) : (
        <Empty title="No line matches">Look at a longer range, or ask for less.</Empty>
      )}
    </Panel>
  );
}
