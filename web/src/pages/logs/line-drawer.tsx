import { Button, CloseButton, SegmentedControl } from "@mantine/core";
import { IconColumnInsertRight, IconFilter, IconFilterOff } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useGet } from "../../api/use-get";
import { Copy } from "../../components/view/copy";
import { IconButton } from "../../components/view/icon-button";
import { Pairs } from "../../components/view/pairs";
import { QueryView } from "../../components/view/query-view";
import { ServiceName } from "../../components/view/service-name";
import { When } from "../../components/view/when";
import { valueText } from "../../lib/format";
import { fieldIs, fieldIsNot } from "../../lib/lucene";
import { bodyText, type Line } from "./line";
import classes from "./logs.module.css";

const AROUND = 20;
const MOST_AROUND = 500;
type Tab = "line" | "around" | "json";

/** Everything that is known of one line, and the lines around it. */
export function LineDrawer(props: {
  id: string;
  /** The line itself, if the page has it already. */
  known: Line | undefined;
  onClose: () => void;
  onSelect: (id: string) => void;
  onTerm: (term: string) => void;
  onColumn: (name: string) => void;
}): ReactNode {
  const { id, known, onClose, onSelect, onTerm, onColumn } = props;
  const [tab, setTab] = useState<Tab>("line");
  const [around, setAround] = useState(AROUND);
  const show = (line: Line): ReactNode =>
    tab === "json" ? <Source line={line} /> : <Details line={line} onTerm={onTerm} onColumn={onColumn} />;
  const query = useGet("/api/v1/logs/context", { params: { query: { id, before: around, after: around } } }, {
    enabled: tab === "around" || known === undefined,
    // Another line's surroundings are not this one's.
    keep: tab === "around",
  });
  return (
    <aside className={classes["drawer"]} aria-label="Log line">
      <div className={classes["drawerHead"]}>
        <SegmentedControl
          aria-label="What to show of the line"
          value={tab}
          onChange={(value) => setTab(value as Tab)}
          data={[
            { value: "line", label: "Line" },
            { value: "around", label: "Surrounding" },
            { value: "json", label: "JSON" },
          ]}
        />
        <CloseButton onClick={onClose} aria-label="Close the line" />
      </div>
      {tab !== "around" && known !== undefined ? (
        show(known)
      ) : (
        <QueryView query={query}>
          {({ line, before, after }) =>
            tab === "around" ? (
              <Surrounding
                line={line}
                before={before}
                after={after}
                onSelect={onSelect}
                more={around < MOST_AROUND ? () => setAround(Math.min(MOST_AROUND, around * 3)) : null}
              />
            ) : (
              show(line)
            )
          }
        </QueryView>
      )}
    </aside>
  );
}

function Details(props: { line: Line; onTerm: (term: string) => void; onColumn: (name: string) => void }): ReactNode {
  const { line, onTerm, onColumn } = props;
  const body = bodyText(line);
  const exception = ["exception.stacktrace", "exception.message"].map((key) => line.attributes[key]).find(Boolean);
  return (
    <>
      <div className={classes["part"]}>
        <div className={classes["lineHead"]} data-severity={line.severity}>
          <span className={classes["severity"]}>{line.severity}</span>
          <ServiceName service={line.service} link />
          <span className="dim">
            <When time={line.time} fraction />
          </span>
        </div>
        <pre className={classes["body"]}>
          {typeof line.body === "string" ? line.body : JSON.stringify(line.body, null, 2)}
          <span className={classes["bodyCopy"]}>
            <Copy value={body} what="the message" />
          </span>
        </pre>
        {line.trace_id ? (
          <Link
            to="/traces/$traceId"
            params={{ traceId: line.trace_id }}
            search={(before) => ({ ...before, ...(line.span_id ? { span: line.span_id } : {}) })}
          >
            Go to the trace
          </Link>
        ) : (
          <span className="dim">The line belongs to no trace.</span>
        )}
      </div>
      {exception !== undefined && (
        <div className={classes["part"]}>
          <h3>{valueText(line.attributes["exception.type"]) || "Exception"}</h3>
          <pre className={classes["body"]}>{valueText(exception)}</pre>
        </div>
      )}
      <Fields title="Attributes" pairs={line.attributes} onTerm={onTerm} onColumn={onColumn} />
      <Fields title="Resource" pairs={line.resource} onTerm={onTerm} onColumn={onColumn} />
      <Fields title="Record" pairs={record(line)} onTerm={onTerm} onColumn={onColumn} />
      {line.dropped_attributes > 0 && (
        <p className="warn-text">The sender dropped {line.dropped_attributes} attributes of this line.</p>
      )}
    </>
  );
}

function record(line: Line): Record<string, unknown> {
  const fields = {
    severity: line.severity,
    severity_text: line.severity_text,
    event_name: line.event_name,
    trace_id: line.trace_id,
    span_id: line.span_id,
    scope: line.scope.name,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value));
}

function Fields(props: {
  title: string;
  pairs: Record<string, unknown>;
  onTerm: (term: string) => void;
  onColumn: (name: string) => void;
}): ReactNode {
  const { title, pairs, onTerm, onColumn } = props;
  if (Object.keys(pairs).length === 0) return null;
  return (
    <div className={classes["part"]}>
      <h3>{title}</h3>
      <Pairs
        pairs={pairs}
        actions={(name, value) => (
          <>
            <IconButton label={`Only lines with this ${name}`} onClick={() => onTerm(fieldIs(name, value))}>
              <IconFilter size={13} />
            </IconButton>
            <IconButton label={`Leave out this ${name}`} onClick={() => onTerm(fieldIsNot(name, value))}>
              <IconFilterOff size={13} />
            </IconButton>
            <IconButton label={`Show ${name} as a column`} onClick={() => onColumn(name)}>
              <IconColumnInsertRight size={13} />
            </IconButton>
          </>
        )}
      />
    </div>
  );
}

function Surrounding(props: {
  line: Line;
  before: Line[];
  after: Line[];
  onSelect: (id: string) => void;
  more: (() => void) | null;
}): ReactNode {
  const { line, before, after, onSelect, more } = props;
  const all = [...before.toReversed(), line, ...after];
  return (
    <div className={classes["part"]}>
      <p className="dim">What the same process logged around this line.</p>
      {more && before.length + after.length > 0 && (
        <Button variant="default" onClick={more} mb={6}>
          Show more around it
        </Button>
      )}
      <ol className={classes["around"]} aria-label="Surrounding lines">
        {all.map((one) => (
          <li key={one.id} data-severity={one.severity} aria-current={one.id === line.id || undefined}>
            <button type="button" onClick={() => onSelect(one.id)}>
              <span className="dim">
                <When time={one.time} fraction clockOnly />
              </span>
              <span className={classes["severity"]}>{one.severity}</span>
              <span>{bodyText(one).slice(0, 400)}</span>
            </button>
          </li>
        ))}
      </ol>
    </div>
  );
}

function Source({ line }: { line: Line }): ReactNode {
  const text = JSON.stringify(line, null, 2);
  return (
    <div className={classes["part"]}>
      <pre className={classes["body"]}>
        {text}
        <span className={classes["bodyCopy"]}>
          <Copy value={text} what="the line as JSON" />
        </span>
      </pre>
    </div>
  );
}
