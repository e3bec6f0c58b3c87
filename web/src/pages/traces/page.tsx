import { Button, CloseButton, SegmentedControl } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { type ApiProblem, apiGet, type Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { TraceQuery } from "../../components/query-input/trace-query";
import { SavedViews } from "../../components/saved-views/saved-views";
import { Empty, NothingSent } from "../../components/view/empty";
import { Page } from "../../components/view/page";
import { Panel } from "../../components/view/panel";
import { Problem } from "../../components/view/problem";
import { Loading, QueryView } from "../../components/view/query-view";
import { durationMs, exactCount, exactPlural } from "../../lib/format";
import { withCondition } from "../../lib/query-text";
import { iso } from "../../lib/time";
import { useTenant } from "../../state/tenant";
import { useTimeRange } from "../../state/time-range";
import { tracesAsk } from "./asks";
import { Deltas } from "./deltas";
import { GroupBy } from "./group-by";
import { Scatter } from "./scatter";
import { formatPick, parsePick, type Pick, type TracesSearch, validateTracesSearch } from "./search";
import { TraceList } from "./trace-list";
import classes from "./traces.module.css";

export function TracesPage(): ReactNode {
  const search = useSearch({ from: "/traces" });
  const navigate = useNavigate({ from: "/traces" });
  const range = useTimeRange();
  const change = (changed: Partial<typeof search>): void =>
    void navigate({ search: (before) => ({ ...before, ...changed }) });
  const found = useTraces(search);
  const traces = useMemo(() => found.data?.pages.flatMap((page) => page.traces) ?? [], [found.data]);
  const pick = useMemo(() => parsePick(search.pick), [search.pick]);
  const add = (added: string): void => change({ q: withCondition(search.q, added) });
  // A view is the search: what was picked in the picture belongs to its range.
  const { pick: _, ...kept } = validateTracesSearch({ ...search });
  const queryProblem = found.error?.status === 400 ? found.error : null;
  return (
    <Page
      title="Traces"
      actions={
        <SavedViews
          page="traces"
          state={kept}
          onOpen={(state) => change({ q: undefined, order: undefined, by: undefined, pick: undefined, ...validateTracesSearch(state) })}
        />
      }
    >
      <div className={classes["filters"]}>
        <div className={classes["query"]}>
          <TraceQuery
            value={search.q ?? ""}
            onSubmit={(q) => change({ q: q === "" ? undefined : q, pick: undefined })}
            problem={queryProblem}
            busy={found.isFetching}
          />
        </div>
        <Button variant="default" onClick={() => add("status:error")}>
          Errors
        </Button>
        <SegmentedControl
          aria-label="Order"
          value={search.order ?? "newest"}
          onChange={(order) => change({ order: order === "slowest" ? "slowest" : undefined })}
          data={[
            { value: "newest", label: "Newest" },
            { value: "slowest", label: "Slowest" },
          ]}
        />
        <GroupBy value={search.by} onChange={(by) => change({ by })} />
      </div>
      {found.error && queryProblem === null && <Problem error={found.error} />}
      {search.by !== undefined && (
        <Groups by={search.by} query={search.q ?? ""} add={add} close={() => change({ by: undefined })} />
      )}
      {found.data !== undefined && traces.length === 0 ? (
        <NoTraces query={search.q} />
      ) : (
        <>
          <Panel flush label="Traces over time">
            <Scatter
              traces={traces}
              fromMs={sinceMs(traces, range.fromMs, found.hasNextPage && search.order !== "slowest")}
              toMs={range.toMs}
              pick={pick}
              onPick={(next) => change({ pick: next === null ? undefined : formatPick(next) })}
            />
          </Panel>
          {pick && <Picked pick={pick} query={search.q ?? ""} add={add} close={() => change({ pick: undefined })} />}
          <Panel
            flush
            title={found.data === undefined ? "Traces" : found.hasNextPage ? `${exactCount(traces.length)}+ traces` : exactPlural(traces.length, "trace")}
            side={search.order === "slowest" ? "slowest first" : "newest first"}
          >
            {found.data !== undefined ? <TraceList traces={traces} /> : found.isFetching && <Loading lines={12} />}
            {found.hasNextPage && (
              <div className={classes["more"]}>
                <Button variant="default" loading={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
                  Show more
                </Button>
              </div>
            )}
          </Panel>
        </>
      )}
    </Page>
  );
}

/** Where the picture begins: with the oldest trace, if there are older ones that were not asked for. */
function sinceMs(traces: Schemas["TraceSummary"][], fromMs: number, cut: boolean): number {
  return cut ? Math.max(fromMs, Math.min(...traces.map((trace) => Date.parse(trace.start_time)))) : fromMs;
}

function useTraces(search: TracesSearch): ReturnType<typeof useInfiniteQuery<Schemas["TracePage"], ApiProblem>> {
  const tenant = useTenant();
  const range = useTimeRange();
  return useInfiniteQuery<Schemas["TracePage"], ApiProblem>({
    queryKey: [tenant ?? "", "traces", tracesAsk(search, range.query)],
    queryFn: ({ pageParam, signal }) => {
      const cursor = typeof pageParam === "string" ? pageParam : undefined;
      return apiGet(...tracesAsk(search, range.query, cursor), tenant, signal);
    },
    initialPageParam: null,
    getNextPageParam: (last) => last.next_cursor,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
  });
}

function Picked(props: { pick: Pick; query: string; add: (condition: string) => void; close: () => void }): ReactNode {
  const { pick, query, add, close } = props;
  const range = useTimeRange();
  const deltas = useGet("/api/v1/traces/deltas", {
    params: {
      query: {
        ...range.query,
        // The traces of the picture go by their roots.
        q: query.includes("root:") ? query : `${query} root:true`.trim(),
        selected: `duration:>=${pick.minMs}ms duration:<=${pick.maxMs}ms`,
        selected_from: iso(Math.max(pick.fromMs, range.fromMs)),
        selected_to: iso(Math.min(pick.toMs, range.toMs)),
      },
    },
  });
  return (
    <Panel
      title={`What tells ${durationMs(pick.minMs)} to ${durationMs(pick.maxMs)} from the rest`}
      side={<CloseButton size="sm" onClick={close} aria-label="Close the comparison" />}
    >
      <QueryView query={deltas}>{(data) => <Deltas deltas={data} add={add} />}</QueryView>
    </Panel>
  );
}

function Groups(props: { by: string; query: string; add: (condition: string) => void; close: () => void }): ReactNode {
  const { by, query, add, close } = props;
  const range = useTimeRange();
  const groups = useGet("/api/v1/traces/breakdown", { params: { query: { ...range.query, q: query, by, limit: 50 } } });
  return (
    <Panel
      flush
      title={`Matching spans by ${by}`}
      side={<CloseButton size="sm" onClick={close} aria-label="Close the groups" />}
    >
      <QueryView query={groups}>{(data) => <GroupBy.Table groups={data} add={add} />}</QueryView>
    </Panel>
  );
}

function NoTraces({ query }: { query: string | undefined }): ReactNode {
  const range = useTimeRange();
  if (query === undefined) {
    return (
      <Panel>
        <NothingSent
          title={`No traces in this range (${range.label.toLowerCase()})`}
          note="If nothing is sent yet, this sends it:"
        />
      </Panel>
    );
  }
  return (
    <Panel>
      <Empty title="No trace matches">Look at a longer range, or ask for less: every condition must hold for one span.</Empty>
    </Panel>
  );
}
