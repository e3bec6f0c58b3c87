import { Badge } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Rule, RuleGroup } from "../../api/prometheus";
import { Panel } from "../../components/view/panel";
import { type Column, SortableTable } from "../../components/view/sortable";
import { WhenSeen } from "../../components/view/when-seen";
import { durationMs, exactPlural } from "../../lib/format";
import { durationText, selector } from "../../lib/promql";
import { ago, spanLabel } from "../../lib/time";
import { Chips, Note, State } from "./alerts";
import type { FoundGroup } from "./model";
import classes from "./rules.module.css";

const TONES: Record<string, string> = { ok: "green", err: "red", unknown: "gray" };
/** Rules that are shown at once; further groups come when one comes near them. */
const FIRST_RULES = 40;
const MOST_RULES = 200;
const RULE_HEIGHT = 50;
const HEAD_HEIGHT = 64;

/** The groups with their rules, and how their last evaluation went. */
export function Groups({ groups }: { groups: readonly FoundGroup[] }): ReactNode {
  const atOnce = firstGroups(groups);
  return (
    <div className={classes["stack"]}>
      {groups.map(({ group, rules }, index) => {
        const key = `${group.file} ${group.name}`;
        const part = <Group key={key} group={group} rules={rules.map(({ rule }) => rule)} />;
        if (index < atOnce) return part;
        return (
          <WhenSeen key={key} height={HEAD_HEIGHT + Math.min(rules.length, MOST_RULES) * RULE_HEIGHT}>
            {part}
          </WhenSeen>
        );
      })}
    </div>
  );
}

/** How many groups have the rules that are shown at once. */
function firstGroups(groups: readonly FoundGroup[]): number {
  let rules = 0;
  const last = groups.findIndex((group) => (rules += group.rules.length) >= FIRST_RULES);
  return last < 0 ? groups.length : last + 1;
}

function Group({ group, rules }: { group: RuleGroup; rules: Rule[] }): ReactNode {
  return (
    <Panel
      flush
      title={
        <>
          {group.name} <span className={classes["file"]}>{group.file}</span>
        </>
      }
      side={`every ${spanLabel(group.interval * 1000)}, last ${since(group.lastEvaluation)}, took ${durationMs((group.evaluationTime ?? 0) * 1000)}`}
    >
      <SortableTable label={`Rules of ${group.name}`} initial="name" rows={rules} most={MOST_RULES} keyOf={keyOf} columns={COLUMNS} />
    </Panel>
  );
}

function keyOf({ name, query, labels }: Rule): string {
  return `${name} ${query} ${JSON.stringify(labels ?? {})}`;
}

/** What is failing or firing comes first when it is sorted by. */
const ORDER = ["err", "firing", "pending", "unknown", "inactive", "ok"];

function stateOf({ type, state = "unknown", health = "unknown" }: Rule): string {
  return health === "err" || type === "recording" ? health : state;
}

const COLUMNS: Column<Rule>[] = [
  {
    key: "state",
    head: "State",
    sort: (rule) => -ORDER.indexOf(stateOf(rule)),
    cell: (rule) => {
      const { type, state = "unknown", health = "unknown", alerts = [] } = rule;
      return (
        <div className={classes["states"]}>
          {type === "alerting" && (health !== "err" || alerts.length > 0) && <State state={state} />}
          {(type === "recording" || health === "err") && <Badge color={TONES[health] ?? "gray"}>{health}</Badge>}
          {alerts.length > 0 && <span className="dim">{exactPlural(alerts.length, "alert")}</span>}
        </div>
      );
    },
  },
  { key: "name", head: "Rule", sort: ({ name }) => name, cell: (rule) => <Told rule={rule} /> },
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
    wideOnly: true,
    sort: ({ evaluationTime = 0 }) => evaluationTime,
    cell: ({ evaluationTime = 0 }) => durationMs(evaluationTime * 1000),
  },
];

/** A rule as it is written, and what went wrong with it. */
function Told({ rule }: { rule: Rule }): ReactNode {
  const { name, type, labels = {}, annotations = {}, query, health, lastError, duration = 0, keepFiringFor = 0 } = rule;
  const terms = [
    ...(duration > 0 ? [`for ${durationText(duration)}`] : []),
    ...(keepFiringFor > 0 ? [`keep firing for ${durationText(keepFiringFor)}`] : []),
  ];
  return (
    <>
      <div className={classes["first"]}>
        <Link to="/explore" search={{ q: [type === "recording" ? selector(name) : query] }}>
          <b>{name}</b>
        </Link>
        {terms.length > 0 && <span className="dim">{terms.join(", ")}</span>}
        <Chips of={labels} />
      </div>
      <div>
        <Link className={classes["query"]} to="/explore" search={{ q: [query] }}>
          {query}
        </Link>
      </div>
      {Object.entries(annotations).map(([annotation, text]) => (
        <Note key={annotation} name={annotation} text={text} />
      ))}
      {lastError !== undefined && lastError !== "" && (
        // A rule that was evaluated may still have something to tell, such as that it did not wait for the newest samples.
        <div className={health === "err" ? "error-text" : "warn-text"}>{lastError}</div>
      )}
    </>
  );
}

function since(time: string | undefined): string {
  return time === undefined || time === "" || time.startsWith("0001") ? "not yet" : ago(Date.parse(time), Date.now());
}
