import { NativeSelect } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { type PrometheusAnswer, type RuleGroup, usePrometheus } from "../../api/prometheus";
import { FoundFilter } from "../../components/metrics/found-filter";
import { MetricsNav } from "../../components/metrics/metrics-nav";
import { CodeBlock, Empty } from "../../components/view/empty";
import { Page } from "../../components/view/page";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { When } from "../../components/view/when";
import { exactCount, exactPlural } from "../../lib/format";
import { Alerts } from "./alerts";
import { Groups } from "./groups";
import { type Found, narrowed, read } from "./model";
import { Notified, untold, useAlertmanagers } from "./notified";
import classes from "./rules.module.css";
import { type RulesSearch, STATES } from "./search";

const REFRESH = { freshSeconds: 1 };
const EXAMPLE = `groups:
  - name: requests
    interval: 30s
    rules:
      - record: job:requests:rate5m
        expr: sum by (job) (rate(http_requests_total[5m]))
      - alert: NoRequests
        expr: job:requests:rate5m == 0
        for: 10m
        annotations: {summary: "{{ $labels.job }} has no requests"}`;

type Answer = PrometheusAnswer<{ groups: RuleGroup[] }>;

/** What fires and what is about to, who is told, and all rules. */
export function RulesPage(): ReactNode {
  const answer = usePrometheus("rules", {}, REFRESH);
  const groups = answer.data?.data.groups;
  const found = useMemo(() => (groups === undefined ? undefined : read(groups)), [groups]);
  const fire = found?.counts.firing ?? 0;
  return (
    <Page
      title={fire > 0 ? `${exactCount(fire)} firing · Rules` : "Rules"}
      heading="Rules"
      note={found && `${exactPlural(found.rules, "rule")}, ${found.counts.failing === 0 ? "none failing" : `${exactCount(found.counts.failing)} failing`}`}
      actions={<MetricsNav />}
    >
      <QueryView query={answer}>
        {(told: Answer) => (
          <div className={classes["stack"]}>
            {told.warnings.map((warning) => (
              <p key={warning} className={classes["warning"]} role="alert">
                {warning}
              </p>
            ))}
            {found === undefined || found.rules === 0 ? <NoRules /> : <Shown found={found} nowMs={answer.dataUpdatedAt} />}
          </div>
        )}
      </QueryView>
    </Page>
  );
}

function Shown({ found, nowMs }: { found: Found; nowMs: number }): ReactNode {
  const search = useSearch({ from: "/explore/rules" });
  const navigate = useNavigate({ from: "/explore/rules" });
  const change = (changed: RulesSearch): void =>
    void navigate({ search: (before) => ({ ...before, ...changed }), replace: true });
  const { q, state } = search;
  const shown = useMemo(() => narrowed(found, { q, state }), [found, q, state]);
  const { counts, alertingRules } = found;
  const alertmanagers = useAlertmanagers();
  // What keeps people from hearing of alerts stands before the alerts, of which there may be very many.
  const isFirst = alertmanagers.data !== undefined && untold(alertmanagers.data.data) !== "";
  const notified = alertingRules > 0 && state === undefined && <Notified />;
  const states = STATES.filter((one) => counts[one] > 0 || one === state);
  return (
    <>
      {alertingRules > 0 && <Headline found={found} nowMs={nowMs} />}
      <FoundFilter label="Find by name, label, expression or text" text={q} change={(text) => change({ q: text })}>
        <NativeSelect
          aria-label="State"
          w={150}
          value={state ?? ""}
          onChange={(event) => change({ state: STATES.find((one) => one === event.currentTarget.value) })}
          data={[{ value: "", label: "Every state" }, ...states.map((one) => ({ value: one, label: `${one} (${exactCount(counts[one])})` }))]}
        />
      </FoundFilter>
      {isFirst && notified}
      {alertingRules > 0 && (state === undefined || state === "firing") && (
        <Alerts title="Firing" alerts={shown.firing} all={counts.firing} nowMs={nowMs} none="Nothing fires." find={(text) => change({ q: text })} />
      )}
      {alertingRules > 0 && (state === "pending" || (state === undefined && counts.pending > 0)) && (
        <Alerts title="Pending" alerts={shown.pending} all={counts.pending} nowMs={nowMs} none="Nothing is pending." find={(text) => change({ q: text })} />
      )}
      {!isFirst && notified}
      {shown.groups.length === 0 ? <Empty title="No rule matches" /> : <Groups groups={shown.groups} />}
    </>
  );
}

/** How it stands, in words. That nothing fires is worth as much as the rules that were evaluated, and the people told. */
function Headline({ found, nowMs }: { found: Found; nowMs: number }): ReactNode {
  const { firing, pending, unknown } = found.counts;
  const alertmanagers = useAlertmanagers();
  const fault = alertmanagers.data ? untold(alertmanagers.data.data) : "";
  const isAnybodyTold = alertmanagers.data?.data.activeAlertmanagers.length !== 0;
  const fire = firing === 0 ? "Nothing fires" : `${exactPlural(firing, "alert")} ${firing === 1 ? "fires" : "fire"}`;
  const wait = pending === 0 ? "nothing is pending" : `${exactCount(pending)} ${pending === 1 ? "is" : "are"} pending`;
  return (
    <div className={classes["headline"]} data-tone={firing > 0 ? "error" : pending > 0 || found.blind > 0 || fault !== "" ? "warn" : "calm"}>
      <p role="status">
        <b>{unknown === found.alertingRules ? "No alerting rule has been evaluated" : `${fire}, ${wait}`}</b>.
        {found.blind > 0 && ` ${exactPlural(found.blind, "alerting rule")} ${found.blind === 1 ? "fails" : "fail"}: what would fire there is not known.`}
        {unknown > 0 && unknown < found.alertingRules && ` ${exactPlural(unknown, "alerting rule")} ${unknown === 1 ? "was" : "were"} not evaluated yet.`}
        {!isAnybodyTold && " Nobody is notified."}
        {fault !== "" && ` ${fault}`}
      </p>
      <span className="dim">
        as of <When time={nowMs} clockOnly />
      </span>
    </div>
  );
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
