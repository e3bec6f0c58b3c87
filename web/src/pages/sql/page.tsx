import { Button, Menu, SegmentedControl } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { IconDownload } from "@tabler/icons-react";
import { type ReactNode, useRef, useState } from "react";
import type { EditorHandle } from "../../components/editor/editor";
import { SavedViews } from "../../components/saved-views/saved-views";
import { Page } from "../../components/view/page";
import { Panel } from "../../components/view/panel";
import { Problem } from "../../components/view/problem";
import { download } from "../../lib/download";
import { exactCount, plural } from "../../lib/format";
import { useTenant } from "../../state/tenant";
import { Editor } from "./editor";
import { remember } from "./history";
import { MOST_ROWS, type SqlResult, useResult } from "./result";
import { ResultChart, ResultTable } from "./result-view";
import { validateSqlSearch } from "./search";
import { History, SchemaBrowser } from "./side";
import classes from "./sql.module.css";

const EXAMPLES = [
  [
    "Slowest operations of the last hour",
    "SELECT\n  service,\n  name,\n  count() AS spans,\n  round(quantile(0.95)(duration_ms), 1) AS p95_ms\nFROM spans\nWHERE time > now() - INTERVAL 1 HOUR\nGROUP BY service, name\nORDER BY p95_ms DESC\nLIMIT 20",
  ],
  [
    "Errors a minute by service",
    "SELECT\n  toStartOfMinute(time) AS minute,\n  service,\n  count() AS errors\nFROM spans\nWHERE status = 'error' AND time > now() - INTERVAL 1 HOUR\nGROUP BY minute, service\nORDER BY minute",
  ],
  [
    "Log lines by service and severity",
    "SELECT\n  service,\n  severity,\n  count() AS lines\nFROM logs\nWHERE time > now() - INTERVAL 1 HOUR\nGROUP BY service, severity\nORDER BY lines DESC",
  ],
] as const;
const FILES = [
  ["CSVWithNames", "csv", "CSV"],
  ["JSONEachRow", "ndjson", "JSON, one line each"],
  ["Parquet", "parquet", "Parquet"],
] as const;

export function SqlPage(): ReactNode {
  const search = useSearch({ from: "/sql" });
  const navigate = useNavigate({ from: "/sql" });
  const client = useQueryClient();
  const field = useRef<EditorHandle>(null);
  const [text, setText] = useState(search.sql ?? "");
  const [given, setGiven] = useState(search.sql);
  const [turn, setTurn] = useState(0);
  if (given !== search.sql) {
    setGiven(search.sql);
    setText(search.sql ?? "");
  }
  const query = useResult(search.sql, turn);
  const change = (changed: Partial<typeof search>): void =>
    void navigate({ search: (before) => ({ ...before, ...changed }) });
  const run = (sql: string): void => {
    const statement = sql.trim();
    if (statement === "") return;
    remember(statement);
    setText(statement);
    if (statement === search.sql) setTurn((before) => before + 1);
    else change({ sql: statement });
  };
  const running = query.isFetching;
  return (
    <Page
      title="SQL"
      note="ClickHouse's dialect, read-only"
      actions={
        <SavedViews
          page="sql"
          state={{ sql: text.trim() === "" ? undefined : text.trim(), chart: search.chart }}
          onOpen={(state) => change({ chart: undefined, ...validateSqlSearch(state) })}
        />
      }
    >
      <div className={classes["layout"]}>
        <aside className={classes["side"]}>
          <SchemaBrowser onInsert={(name) => field.current?.insert(name)} />
          <History onOpen={setText} />
        </aside>
        <div className={classes["main"]}>
          <Editor
            handle={field}
            text={text}
            onText={setText}
            onRun={() => run(text)}
            onStop={() => void client.cancelQueries({ predicate: ({ queryKey }) => queryKey[1] === "sql" })}
            running={running}
            problem={query.error}
            ran={search.sql ?? ""}
          />
          {query.error && !running && <Problem error={query.error} />}
          {search.sql === undefined && <Examples onPick={run} />}
          {running && query.data === undefined && (
            <p className="dim" role="status">
              Asking…
            </p>
          )}
          {query.data && !query.error && (
            <Answer result={query.data} chart={search.chart} onChart={(chart) => change({ chart })} sql={search.sql ?? ""} />
          )}
        </div>
      </div>
    </Page>
  );
}

function Answer(props: {
  result: SqlResult;
  chart: "line" | "bars" | undefined;
  onChart: (chart: "line" | "bars" | undefined) => void;
  sql: string;
}): ReactNode {
  const { result, chart, onChart, sql } = props;
  return (
    <Panel
      flush
      title={`${result.cut ? "The first " : ""}${plural(result.rows.length, "row")} in ${result.seconds.toFixed(2)} s`}
      side={
        <>
          <SegmentedControl
            aria-label="Show the result as"
            value={chart ?? "table"}
            onChange={(value) => onChart(value === "line" || value === "bars" ? value : undefined)}
            data={[
              { value: "table", label: "Table" },
              { value: "line", label: "Lines" },
              { value: "bars", label: "Bars" },
            ]}
          />
          <SaveAs sql={sql} />
        </>
      }
    >
      {result.cut && (
        <p className={classes["cut"]}>
          The page shows {exactCount(MOST_ROWS)} rows. A file has all of them, or narrow the statement.
        </p>
      )}
      {chart === undefined ? <ResultTable result={result} /> : <ResultChart result={result} kind={chart} />}
    </Panel>
  );
}

function SaveAs({ sql }: { sql: string }): ReactNode {
  const tenant = useTenant();
  const [problem, setProblem] = useState<Error | null>(null);
  const save = async (format: string, extension: string): Promise<void> => {
    setProblem(null);
    try {
      await download(`/api/v1/sql?format=${format}`, tenant, `result.${extension}`, { method: "POST", body: sql });
    } catch (error) {
      setProblem(error instanceof Error ? error : new Error(String(error)));
    }
  };
  return (
    <>
      <Menu position="bottom-end" shadow="md">
        <Menu.Target>
          <Button variant="default" leftSection={<IconDownload size={14} />}>
            Save as
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {FILES.map(([format, extension, label]) => (
            <Menu.Item key={format} onClick={() => void save(format, extension)}>
              {label}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      {problem && <Problem error={problem} />}
    </>
  );
}

function Examples({ onPick }: { onPick: (sql: string) => void }): ReactNode {
  return (
    <Panel title="To begin with">
      <ul className={classes["examples"]}>
        {EXAMPLES.map(([label, sql]) => (
          <li key={label}>
            <Button variant="default" onClick={() => onPick(sql)}>
              {label}
            </Button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
