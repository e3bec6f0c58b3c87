import { Button, Menu, SegmentedControl } from "@mantine/core";
import { IconDownload, IconPlayerPause, IconPlayerPlay, IconBroadcast } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { SavedViews } from "../../components/saved-views/saved-views";
import { Problem } from "../../components/view/problem";
import { download } from "../../lib/download";
import { count } from "../../lib/format";
import { useTenant } from "../../state/tenant";
import { useTimeRange } from "../../state/time-range";
import classes from "./logs.module.css";
import { type LogsSearch, validateLogsSearch } from "./search";
import type { Tail } from "./use-tail";

const FORMATS = [
  ["ndjson", "JSON, one line each"],
  ["csv", "CSV for spreadsheets"],
  ["parquet", "Parquet"],
  ["arrow", "Arrow"],
] as const;

/** What can be done with the search as a whole. */
export function Toolbar(props: {
  search: LogsSearch;
  change: (changed: Partial<LogsSearch>) => void;
  replace: (search: LogsSearch) => void;
}): ReactNode {
  const { search, change, replace } = props;
  // A view is the search itself: not the range, the tenant or the line that happen to be open.
  const { line: _, live: __, ...kept } = validateLogsSearch({ ...search });
  return (
    <div className={classes["tools"]}>
      <SegmentedControl
        aria-label="View"
        value={search.patterns ? "patterns" : "lines"}
        onChange={(view) => change({ patterns: view === "patterns" ? true : undefined, live: undefined })}
        data={[
          { value: "lines", label: "Lines" },
          { value: "patterns", label: "Patterns" },
        ]}
      />
      <Button
        variant={search.live ? "filled" : "default"}
        aria-pressed={search.live ?? false}
        leftSection={<IconBroadcast size={14} />}
        onClick={() => change({ live: search.live ? undefined : true, patterns: undefined, line: undefined })}
      >
        Live
      </Button>
      <SavedViews page="logs" state={kept} onOpen={(state) => replace(validateLogsSearch(state))} />
      <Export q={search.q ?? ""} order={search.oldest ? "oldest" : "newest"} />
    </div>
  );
}

function Export({ q, order }: { q: string; order: string }): ReactNode {
  const tenant = useTenant();
  const range = useTimeRange();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Error | null>(null);
  const save = async (format: string): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const asked = new URLSearchParams({ ...range.query, q, order, format });
      await download(`/api/v1/logs/export?${asked.toString()}`, tenant, `logs.${format}`);
    } catch (error) {
      setProblem(error instanceof Error ? error : new Error(String(error)));
    }
    setBusy(false);
  };
  return (
    <>
      <Menu position="bottom-end" shadow="md">
        <Menu.Target>
          <Button variant="default" loading={busy} leftSection={<IconDownload size={14} />}>
            Export
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {FORMATS.map(([format, label]) => (
            <Menu.Item key={format} onClick={() => void save(format)}>
              {label}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      {problem && <Problem error={problem} />}
    </>
  );
}

/** How the live tail is doing, and its pause. */
export function TailBar(props: { tail: Tail; paused: boolean; onPause: (paused: boolean) => void }): ReactNode {
  const { tail, paused, onPause } = props;
  const state = paused ? "Paused" : tail.connected ? "Following" : "Connecting…";
  return (
    <div className={classes["tailBar"]} role="status">
      <span className={classes["pulse"]} data-on={(tail.connected && !paused) || undefined} aria-hidden />
      <strong>{state}</strong>
      <span className="num">{tail.perSecond.toFixed(tail.perSecond < 10 ? 1 : 0)} lines/s</span>
      {paused && <span>{count(tail.waiting)} waiting</span>}
      {tail.skipped > 0 && <span className="warn-text">{count(tail.skipped)} left out of a flood</span>}
      <Button
        variant="default"
        leftSection={paused ? <IconPlayerPlay size={14} /> : <IconPlayerPause size={14} />}
        onClick={() => onPause(!paused)}
      >
        {paused ? "Go on" : "Pause"}
      </Button>
      <Button variant="subtle" color="gray" onClick={tail.clear}>
        Clear
      </Button>
    </div>
  );
}
