import { Button, NativeSelect, SegmentedControl, Switch } from "@mantine/core";
import { IconPlayerPlay, IconPlus } from "@tabler/icons-react";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo, useState } from "react";
import { type Metadata, usePrometheus } from "../../api/prometheus";
import { MetricsNav } from "../../components/metrics/metrics-nav";
import { SavedViews } from "../../components/saved-views/saved-views";
import { later } from "../../components/view/later";
import { Page } from "../../components/view/page";
import { Panel } from "../../components/view/panel";
import { spanLabel } from "../../lib/time";
import { useTimeRange } from "../../state/time-range";
import { exemplarsOf } from "./exemplars";
import classes from "./explore.module.css";
import { GraphView } from "./graph-view";
import { QueryRow, type Told } from "./queries";
import { type Asked, gridFor, letterOf, STEPS, useExemplars, useRanges } from "./results";
import { type ExploreSearch, validateExploreSearch } from "./search";
import { Start } from "./start";
import { TableView } from "./table-view";

const HeatView = later(async () => (await import("./heat-view")).HeatView);

const NO_QUERIES: string[] = [];
const NO_METADATA: Metadata = {};
const MOST_QUERIES = 12;

export function ExplorePage(): ReactNode {
  const search = useSearch({ from: "/explore" });
  const navigate = useNavigate({ from: "/explore" });
  const ran = search.q ?? NO_QUERIES;
  const [drafts, setDrafts] = useState<string[]>(ran.length === 0 ? [""] : ran);
  const [given, setGiven] = useState(ran);
  if (JSON.stringify(given) !== JSON.stringify(ran)) {
    setGiven(ran);
    setDrafts(ran.length === 0 ? [""] : ran);
  }
  const change = (changed: Partial<ExploreSearch>): void =>
    void navigate({ search: (before) => ({ ...before, ...changed }) });
  const range = useTimeRange();
  const metadata = usePrometheus("metadata", {}, { freshSeconds: 60 }).data?.data ?? NO_METADATA;
  const off = search.off ?? "";
  const asked = useMemo<Asked[]>(
    () =>
      ran
        .map((expression, index) => ({ expression, letter: letterOf(index) }))
        .filter(({ expression, letter }) => expression.trim() !== "" && !off.includes(letter)),
    [ran, off],
  );
  const grid = useMemo(() => gridFor(range, search.step), [range, search.step]);
  const view = search.as ?? "graph";
  const ranges = useRanges(asked, grid, 0, view !== "table");
  const former = useRanges(asked, grid, range.compareMs ?? 0, view === "graph" && range.compareMs !== null);
  const found = useExemplars(asked, range, search.exemplars === true && view !== "table");
  const answers = ranges.map(({ data }) => data);
  const exemplars = useMemo(
    () => (search.exemplars ? exemplarsOf(found.map(({ data }) => data?.data), range.fromMs, range.toMs) : []),
    [search.exemplars, found, range],
  );

  const run = (texts: string[]): void => {
    setDrafts(texts);
    const kept = texts.map((text) => text.trim()).filter((text) => text !== "");
    change({ q: kept.length === 0 ? undefined : kept, only: undefined });
    if (JSON.stringify(kept) === JSON.stringify(ran)) range.refresh();
  };
  const put = (index: number, text: string): string[] => drafts.map((draft, other) => (other === index ? text : draft));
  const toldOf = (index: number): Told => {
    const at = asked.findIndex(({ letter }) => letter === letterOf(index));
    const answer = ranges[at];
    return { problem: answer?.error ?? null, warnings: answer?.data?.warnings ?? [], infos: answer?.data?.infos ?? [] };
  };
  const kept = validateExploreSearch({ ...search });
  return (
    <Page
      title="Metrics"
      actions={
        <>
          <MetricsNav />
          <SavedViews page="explore" state={kept} onOpen={(state) => change({ ...CLEARED, ...validateExploreSearch(state) })} />
        </>
      }
    >
      <Panel flush label="Queries">
        <ol className={classes["queries"]}>
          {drafts.map((text, index) => (
            <QueryRow
              // A query is known by its place: two may be the same.
              // oxlint-disable-next-line react/no-array-index-key
              key={index}
              index={index}
              text={text}
              ran={ran[index] ?? ""}
              told={toldOf(index)}
              metadata={metadata}
              off={off.includes(letterOf(index))}
              alone={drafts.length === 1}
              onText={(next) => setDrafts(put(index, next))}
              onRun={(next) => run(next === undefined ? drafts : put(index, next))}
              onOff={() => change({ off: toggled(off, letterOf(index)) })}
              onCopy={() => run([...drafts.slice(0, index + 1), text, ...drafts.slice(index + 1)])}
              onRemove={() => run(drafts.length === 1 ? [""] : drafts.filter((_, other) => other !== index))}
            />
          ))}
        </ol>
        <div className={classes["actions"]}>
          <Button
            leftSection={<IconPlayerPlay size={14} />}
            onClick={() => run(drafts)}
            disabled={drafts.every((text) => text.trim() === "")}
          >
            Run
          </Button>
          <Button
            variant="default"
            leftSection={<IconPlus size={14} />}
            onClick={() => setDrafts([...drafts, ""])}
            disabled={drafts.length >= MOST_QUERIES}
          >
            Add a query
          </Button>
        </div>
      </Panel>
      {ran.length === 0 ? (
        <Start metadata={metadata} onPick={(expression) => run([expression])} />
      ) : (
        <Panel
          flush
          label="Result"
          title={
            <SegmentedControl
              aria-label="Show as"
              value={view}
              onChange={(value) => change({ as: value === "graph" ? undefined : (value as "table" | "heat") })}
              data={[
                { value: "graph", label: "Graph" },
                { value: "table", label: "Table" },
                { value: "heat", label: "Heat map" },
              ]}
            />
          }
          side={view === "table" ? undefined : <Tools search={search} change={change} view={view} stepSeconds={grid.stepSeconds} />}
        >
          <div className={classes["body"]} data-stale={ranges.some(({ isPlaceholderData }) => isPlaceholderData) || undefined}>
            {view === "table" && <TableView asked={asked} />}
            {view !== "table" && answers.every((answer) => answer === undefined) && ranges.some(({ isFetching }) => isFetching) && (
              <p className="dim" role="status" aria-label="Loading">
                Asking…
              </p>
            )}
            {view === "graph" && answers.some((answer) => answer !== undefined) && (
              <GraphView
                asked={asked}
                answers={answers}
                former={former.map(({ data }) => data)}
                grid={grid}
                exemplars={exemplars}
                search={search}
                change={change}
              />
            )}
            {view === "heat" && asked[0] && answers[0] && (
              <HeatView asked={asked[0]} answer={answers[0].data} grid={grid} exemplars={exemplars} />
            )}
          </div>
        </Panel>
      )}
    </Page>
  );
}

const CLEARED: Record<keyof ExploreSearch, undefined> = {
  q: undefined,
  off: undefined,
  as: undefined,
  stacked: undefined,
  step: undefined,
  exemplars: undefined,
  only: undefined,
};

function toggled(letters: string, letter: string): string | undefined {
  const next = letters.includes(letter) ? letters.replace(letter, "") : `${letters}${letter}`;
  return next === "" ? undefined : next;
}

function Tools(props: {
  search: ExploreSearch;
  change: (changed: Partial<ExploreSearch>) => void;
  view: "graph" | "heat";
  stepSeconds: number;
}): ReactNode {
  const { search, change, view, stepSeconds } = props;
  return (
    <div className={classes["tools"]}>
      {view === "graph" && (
        <Switch
          size="xs"
          label="Stacked"
          checked={search.stacked ?? false}
          onChange={(event) => change({ stacked: event.currentTarget.checked ? true : undefined })}
        />
      )}
      <Switch
        size="xs"
        label="Exemplars"
        checked={search.exemplars ?? false}
        onChange={(event) => change({ exemplars: event.currentTarget.checked ? true : undefined })}
      />
      <NativeSelect
        aria-label="Distance of the points"
        w={142}
        value={search.step ?? ""}
        onChange={(event) => change({ step: event.currentTarget.value || undefined })}
        data={[
          { value: "", label: `Every ${spanLabel(stepSeconds * 1000)} (auto)` },
          ...STEPS.map((step) => ({ value: String(step), label: `Every ${spanLabel(step * 1000)}` })),
        ]}
      />
    </div>
  );
}
