import { ActionIcon, Button, Menu, SegmentedControl, Switch, TextInput } from "@mantine/core";
import {
  IconArrowsMaximize,
  IconChevronDown,
  IconChevronUp,
  IconDownload,
  IconFoldDown,
  IconFoldUp,
  IconGitCompare,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useTenant } from "../../state/tenant";
import { download } from "../../lib/download";
import { share as percent } from "../../lib/format";
import { ServiceDot } from "../../components/view/service-name";
import type { TraceModel } from "./model";
import { TRACE_VIEWS, type TraceSearch, type TraceView } from "./search";
import classes from "./trace.module.css";

const VIEW_NAMES: Record<TraceView, string> = {
  waterfall: "Waterfall",
  flame: "Flame graph",
  statistics: "Statistics",
  graph: "Services",
  logs: "Logs",
};

export interface Found {
  /** How many spans match; null while nothing is looked for. */
  count: number | null;
  /** Which of them is shown, from 0. */
  place: number;
  problem: string | null;
}

/** How the trace is shown, and what is looked for in it. */
export function Toolbar(props: {
  search: TraceSearch;
  change: (changed: TraceSearch) => void;
  found: Found;
  step: (by: 1 | -1) => void;
  narrowed: boolean;
  onWhole: () => void;
  onFold: (all: boolean) => void;
}): ReactNode {
  const { search, change, found, step, narrowed, onWhole, onFold } = props;
  const view = search.view ?? "waterfall";
  return (
    <div className={classes["tools"]}>
      <SegmentedControl
        value={view}
        onChange={(value) => change({ view: value === "waterfall" ? undefined : (value as TraceView) })}
        data={TRACE_VIEWS.map((value) => ({ value, label: VIEW_NAMES[value] }))}
        aria-label="View"
      />
      <FindBox search={search} change={change} found={found} step={step} />
      {view === "waterfall" && (
        <>
          <Switch
            size="xs"
            label="Logs"
            checked={search.logs === true}
            onChange={(event) => change({ logs: event.currentTarget.checked || undefined })}
          />
          <Switch
            size="xs"
            label="Critical path"
            checked={search.critical === true}
            onChange={(event) => change({ critical: event.currentTarget.checked || undefined })}
          />
          <ActionIcon title="Collapse all" onClick={() => onFold(true)} aria-label="Collapse all">
            <IconFoldUp size={16} />
          </ActionIcon>
          <ActionIcon title="Expand all" onClick={() => onFold(false)} aria-label="Expand all">
            <IconFoldDown size={16} />
          </ActionIcon>
          {narrowed && (
            <Button variant="default" leftSection={<IconArrowsMaximize size={14} />} onClick={onWhole}>
              Whole time
            </Button>
          )}
        </>
      )}
    </div>
  );
}

function FindBox(props: {
  search: TraceSearch;
  change: (changed: TraceSearch) => void;
  found: Found;
  step: (by: 1 | -1) => void;
}): ReactNode {
  const { search, change, found, step } = props;
  const [typed, setTyped] = useState(search.find ?? "");
  return (
    <div className={classes["find"]}>
      <TextInput
        data-page-search
        placeholder="Find spans: text, service:orders, duration:>10ms"
        aria-label="Find spans"
        value={typed}
        error={found.problem ?? undefined}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          change({ find: event.currentTarget.value.trim() || undefined });
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
          else if (event.key === "Escape") {
            setTyped("");
            change({ find: undefined });
          } else return;
          event.preventDefault();
        }}
        rightSectionWidth={64}
        rightSection={
          found.count === null ? null : (
            <span className="dim" role="status">
              {found.count === 0 ? "none" : `${found.place + 1}/${found.count}`}
            </span>
          )
        }
      />
      <ActionIcon onClick={() => step(-1)} disabled={!found.count} aria-label="Previous match">
        <IconChevronUp size={16} />
      </ActionIcon>
      <ActionIcon onClick={() => step(1)} disabled={!found.count} aria-label="Next match">
        <IconChevronDown size={16} />
      </ActionIcon>
    </div>
  );
}

/** The services of the trace by the time that they took; pressing one hides its spans. */
export function ServiceChips(props: {
  trace: TraceModel;
  hidden: ReadonlySet<string>;
  change: (changed: TraceSearch) => void;
}): ReactNode {
  const { trace, hidden, change } = props;
  const whole = trace.services.reduce((sum, { selfNs }) => sum + selfNs, 0) || 1;
  return (
    <div className={classes["services"]} role="group" aria-label="Services of the trace">
      {trace.services.map(({ service, spans, selfNs }) => (
        <button
          key={service}
          type="button"
          className={classes["chip"]}
          aria-pressed={!hidden.has(service)}
          title={hidden.has(service) ? `Show ${service}` : `Hide ${service}`}
          onClick={() => {
            const next = new Set(hidden);
            if (!next.delete(service)) next.add(service);
            change({ hide: next.size > 0 ? [...next] : undefined });
          }}
        >
          <ServiceDot service={service} />
          {service}
          <small>
            {spans} · {percent(selfNs / whole)}
          </small>
        </button>
      ))}
    </div>
  );
}

/** What can be done with the trace as a whole. */
export function TraceActions({ traceId }: { traceId: string }): ReactNode {
  const tenant = useTenant();
  const save = (format: string, name: string): void =>
    void download(`/api/v1/traces/${traceId}${format}`, tenant, `${name}-${traceId}.json`);
  return (
    <div className={classes["actions"]}>
      <Button
        variant="default"
        leftSection={<IconGitCompare size={14} />}
        renderRoot={(rest) => <Link {...rest} to="/compare" search={(before) => ({ ...before, a: traceId })} />}
      >
        Compare
      </Button>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" leftSection={<IconDownload size={14} />}>
            Download
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => save("?format=otlp", "otlp")}>OTLP JSON</Menu.Item>
          <Menu.Item onClick={() => save("?format=jaeger", "jaeger")}>Jaeger JSON</Menu.Item>
          <Menu.Item onClick={() => save("", "trace")}>Vedette JSON</Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}
