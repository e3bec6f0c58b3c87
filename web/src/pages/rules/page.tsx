import { Badge } from "@mantine/core";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { type Rule, type RuleGroup, usePrometheus } from "../../api/prometheus";
import { FoundFilter } from "../../components/metrics/found-filter";
import { MetricsNav } from "../../components/metrics/metrics-nav";
import { CodeBlock, Empty } from "../../components/view/empty";
import { Page } from "../../components/view/page";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { type Column, SortableTable } from "../../components/view/sortable";
import { durationMs, plural } from "../../lib/format";
import { selector } from "../../lib/promql";
import { ago, spanLabel } from "../../lib/time";
import classes from "./rules.module.css";

const REFRESH = { freshSeconds: 5 };
const TONES: Record<string, string> = { ok: "green", err: "red", unknown: "gray" };
const EXAMPLE = `groups:
  - name: requests
    interval: 30s
    rules:
      - record: job:requests:rate5m
        expr: sum by (job) (rate(http_requests_total[5m]))`;

/** The rule groups, and how their last evaluation went. */
export function RulesPage(): ReactNode {
  const search = useSearch({ from: "/explore/rules" });
  const navigate = useNavigate({ from: "/explore/rules" });
  const answer = usePrometheus("rules", {}, REFRESH);
  const all = (answer.data?.data.groups ?? []).flatMap(({ rules }) => rules);
  const failing = all.filter(({ health }) => health === "err").length;
  return (
    <Page
      title="Rules"
      note={answer.data && `${plural(all.length, "rule")}, ${failing === 0 ? "none failing" : `${failing} failing`}`}
      actions={<MetricsNav />}
    >
      <FoundFilter
        label="Find a rule by name, expression or error"
        search={search}
        change={(changed) => void navigate({ search: (before) => ({ ...before, ...changed }), replace: true })}
      />
      <QueryView query={answer}>
        {({ data }) => (data.groups.length === 0 ? <NoRules /> : <Groups groups={data.groups} search={search} />)}
      </QueryView>
    </Page>
  );
}

function Groups({ groups, search }: { groups: RuleGroup[]; search: { q?: string; failing?: true } }): ReactNode {
  const wanted = (search.q ?? "").toLowerCase();
  const shown = groups
    .map((group) => ({
      ...group,
      rules: group.rules.filter(
        (rule) =>
          (search.failing !== true || rule.health === "err") &&
          `${group.name} ${rule.name} ${rule.query} ${rule.lastError ?? ""}`.toLowerCase().includes(wanted),
      ),
    }))
    .filter(({ rules }) => rules.length > 0);
  if (shown.length === 0) return <Empty title="No rule matches" />;
  return (
    <div className={classes["stack"]}>
    {shown.map((group) => (
    <Panel
      key={`${group.file} ${group.name}`}
      flush
      title={
        <>
          {group.name} <span className={classes["file"]}>{group.file}</span>
        </>
      }
      side={`every ${spanLabel(group.interval * 1000)}, last ${since(group.lastEvaluation)}, took ${durationMs((group.evaluationTime ?? 0) * 1000)}`}
    >
      <SortableTable label={`Rules of ${group.name}`} initial="name" rows={group.rules} keyOf={keyOf} columns={COLUMNS} />
    </Panel>
    ))}
    </div>
  );
}

function keyOf({ name, query, labels }: Rule): string {
  return `${name} ${query} ${JSON.stringify(labels ?? {})}`;
}

const COLUMNS: Column<Rule>[] = [
  {
    key: "health",
    head: "Health",
    sort: ({ health }) => health ?? "",
    cell: ({ health = "unknown" }) => <Badge color={TONES[health] ?? "gray"}>{health}</Badge>,
  },
  {
    key: "name",
    head: "Rule",
    sort: ({ name }) => name,
    cell: ({ name, type, labels = {}, query, health, lastError }) => (
      <>
        <Link
          to="/explore"
          search={{ q: [type === "recording" ? selector(name) : query] }}
        >
          <b>{name}</b>
        </Link>{" "}
        {Object.entries(labels).map(([label, value]) => (
          <span key={label} className="mono dim">
            {label}={value}{" "}
          </span>
        ))}
        <div>
          <Link
            className={classes["query"]}
            to="/explore"
            search={{ q: [query] }}
          >
            {query}
          </Link>
        </div>
        {lastError !== undefined && lastError !== "" && (
          // A rule that was evaluated may still have something to tell, such as that it did not wait for the newest samples.
          <div className={health === "ok" ? "warn-text" : "error-text"}>{lastError}</div>
        )}
      </>
    ),
  },
  {
    key: "last",
    head: "Last evaluation",
    numeric: true,
    wideOnly: true,
    sort: ({ lastEvaluation = "" }) => -Date.parse(lastEvaluation),
    cell: ({ lastEvaluation }) => since(lastEvaluation),
  },
  {
    key: "took",
    head: "Took",
    numeric: true,
    sort: ({ evaluationTime = 0 }) => evaluationTime,
    cell: ({ evaluationTime = 0 }) => durationMs(evaluationTime * 1000),
  },
];

function since(time: string | undefined): string {
  return time === undefined || time === "" || time.startsWith("0001") ? "not yet" : ago(Date.parse(time), Date.now());
}

function NoRules(): ReactNode {
  return (
    <Panel>
      <Empty title="No rules are evaluated for this tenant">
        Rules come from files as Prometheus has them; <code>vedette check rules FILE</code> says whether one is right:
        <div className={classes["example"]}>
          <CodeBlock text={EXAMPLE} what="the example" />
        </div>
      </Empty>
    </Panel>
  );
}
