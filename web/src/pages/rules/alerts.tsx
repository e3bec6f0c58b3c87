import { UnstyledButton } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useGet } from "../../api/use-get";
import { InPieces } from "../../components/view/in-pieces";
import { Panel } from "../../components/view/panel";
import { ServiceName } from "../../components/view/service-name";
import { When } from "../../components/view/when";
import { durationMs, exactCount, exactPlural, figure } from "../../lib/format";
import { fieldIs } from "../../lib/lucene";
import { condition } from "../../lib/query-text";
import { durationText } from "../../lib/promql";
import { iso } from "../../lib/time";
import { type FoundAlert, severityTone, waitMs } from "./model";
import classes from "./rules.module.css";

/** As many as fill some windows, and about the height of one. */
const PIECE = 40;
const ALERT_HEIGHT = 86;
/** From so many alerts on, their names come first. */
const MANY = 10;
const MOST_NAMES = 40;
/** What an alert says first, in the order in which people write it. */
const SAYS = ["summary", "message", "title", "description"];
const BEFORE_MS = 1_800_000;
const AFTER_MS = 7_200_000;
const DAY_MS = 86_400_000;
const TONES: Record<string, string> = { firing: "error", pending: "warn", inactive: "ok" };
const NO_SERVICES: ReadonlySet<string> = new Set();

interface AlertsProps {
  title: string;
  alerts: readonly FoundAlert[];
  /** How many there are without the search. */
  all: number;
  nowMs: number;
  none: string;
  /** Narrows everything to what contains a text. */
  find: (text: string) => void;
}

/** Alerts of one state. */
export function Alerts({ title, alerts, all, nowMs, none, find }: AlertsProps): ReactNode {
  const services = useServices(alerts);
  return (
    <Panel flush title={title} label={`${title} alerts`} side={alerts.length === all ? exactCount(all) : `${exactCount(alerts.length)} of ${exactCount(all)}`}>
      {alerts.length === 0 && <p className={classes["none"]}>{all === 0 ? none : "None of them matches."}</p>}
      {alerts.length > MANY && <Names title={title} alerts={alerts} find={find} />}
      <InPieces rows={alerts} size={PIECE} height={ALERT_HEIGHT}>
        {(piece) => (
          <ul className={classes["alerts"]} aria-label={title}>
            {piece.map((found) => (
              <AlertRow key={found.key} found={found} nowMs={nowMs} services={services} />
            ))}
          </ul>
        )}
      </InPieces>
    </Panel>
  );
}

/** The names of many alerts with how many of each there are, in the order of their need: one may hide another. */
function Names({ title, alerts, find }: Pick<AlertsProps, "title" | "alerts" | "find">): ReactNode {
  const counts = new Map<string, number>();
  for (const { rule } of alerts) counts.set(rule.name, (counts.get(rule.name) ?? 0) + 1);
  if (counts.size < 2) return null;
  const names = [...counts];
  return (
    <div role="group" className={classes["names"]} aria-label={`${title} by name`}>
      {names.slice(0, MOST_NAMES).map(([name, many]) => (
        <UnstyledButton key={name} onClick={() => find(name)}>
          <b>{name}</b> <span className="dim">{exactCount(many)}</span>
        </UnstyledButton>
      ))}
      {names.length > MOST_NAMES && <span className="dim">and {exactPlural(names.length - MOST_NAMES, "name")} more</span>}
    </div>
  );
}

/** The services of the last day, which a label `job` may name; they are asked for if there is one. */
function useServices(alerts: readonly FoundAlert[]): ReadonlySet<string> {
  const enabled = alerts.some(({ alert }) => alert.labels["service"] === undefined && alert.labels["job"] !== undefined);
  const answer = useGet("/api/v1/services", { params: { query: { from: "now-1d", to: "now" } } }, { enabled, freshSeconds: 60 });
  return answer.data ? new Set(answer.data.services.map(({ service }) => service)) : NO_SERVICES;
}

/** The service that an alert is about. A job may have its namespace before the service's name. */
function serviceOf(labels: Record<string, string>, services: ReadonlySet<string>): string | undefined {
  const { service, job = "" } = labels;
  if (service !== undefined && service !== "") return service;
  return [job, job.slice(job.lastIndexOf("/") + 1)].find((name) => services.has(name));
}

function AlertRow({ found, nowMs, services }: { found: FoundAlert; nowMs: number; services: ReadonlySet<string> }): ReactNode {
  const { alert, rule, activeMs } = found;
  const { alertname = rule.name, severity, ...labels } = alert.labels;
  const said = SAYS.filter((name) => alert.annotations[name] !== undefined && alert.annotations[name] !== "");
  const others = Object.entries(alert.annotations).filter(([name]) => !SAYS.includes(name));
  const range = around(activeMs, nowMs);
  const service = serviceOf(alert.labels, services);
  return (
    <li data-state={alert.state}>
      <div className={classes["first"]}>
        {severity !== undefined && (
          <span className={classes["mark"]} data-tone={severityTone(alert)}>
            {severity}
          </span>
        )}
        <b>{alertname}</b>
        <Age found={found} nowMs={nowMs} />
        <span className={classes["value"]} title={alert.value}>
          <span className="dim">value</span> {shown(alert.value)}
        </span>
      </div>
      {said.map((name, index) => (
        <p key={name} className={index === 0 ? classes["says"] : classes["explains"]}>
          {alert.annotations[name]}
        </p>
      ))}
      <Chips of={labels} />
      {others.map(([name, text]) => (
        <Note key={name} name={name} text={text} />
      ))}
      <div className={classes["ways"]}>
        <Link to="/explore" search={{ ...range, q: [rule.query] }} aria-label={`Graph of ${alertname}`}>
          Graph
        </Link>
        {service !== undefined && (
          <>
            <ServiceName service={service} link />
            <Link to="/logs" search={{ ...range, q: fieldIs("service", service) }} aria-label={`Logs of ${service}`}>
              Logs
            </Link>
            <Link to="/traces" search={{ ...range, q: condition("service", service) }} aria-label={`Traces of ${service}`}>
              Traces
            </Link>
          </>
        )}
      </div>
    </li>
  );
}

/** The time before an alert and what came of it. */
function around(activeMs: number, nowMs: number): { from: string; to: string } {
  return { from: iso(activeMs - BEFORE_MS), to: nowMs - activeMs < DAY_MS ? "now" : iso(activeMs + AFTER_MS) };
}

/** For how long it is active, and what is going to become of it. */
function Age({ found, nowMs }: { found: FoundAlert; nowMs: number }): ReactNode {
  const { alert, rule, activeMs } = found;
  const wait = waitMs(found, nowMs);
  return (
    <span className={classes["age"]}>
      active for <b>{whole(nowMs - activeMs)}</b>{" "}
      <span className="dim">
        since <When time={activeMs} clockOnly={nowMs - activeMs < DAY_MS / 2} />
      </span>
      {alert.state === "pending" && (
        <span className="warn-text">{wait > 0 ? `, fires in ${whole(wait)} if it stays` : ", fires at the next evaluation if it stays"}</span>
      )}
      {alert.keepFiringSince !== undefined && (
        <span className="dim">
          , over since <When time={alert.keepFiringSince} clockOnly /> and kept for {durationText(rule.keepFiringFor ?? 0)}
        </span>
      )}
    </span>
  );
}

function whole(ms: number): string {
  return durationMs(Math.max(0, Math.round(ms / 1_000)) * 1_000);
}

function shown(value: string): string {
  const number = Number(value);
  return Number.isFinite(number) ? figure(number) : value;
}

/** Firing, pending, inactive or unknown, by its word and its colour. */
export function State({ state }: { state: string }): ReactNode {
  return (
    <span className={classes["mark"]} data-tone={TONES[state]}>
      {state}
    </span>
  );
}

/** Labels, one beside the other. */
export function Chips({ of }: { of: Record<string, string> }): ReactNode {
  const pairs = Object.entries(of);
  if (pairs.length === 0) return null;
  return (
    <div className={classes["chips"]}>
      {pairs.map(([name, value]) => (
        <span key={name} className="mono">
          <span className="dim">{name}=</span>
          {value}
        </span>
      ))}
    </div>
  );
}

/** An annotation with its name; an address, such as a runbook's, leads there. */
export function Note({ name, text }: { name: string; text: string }): ReactNode {
  return (
    <div className={classes["annotation"]}>
      <span className="dim">{name}: </span>
      {/^https?:\/\/[^\s{}]+$/.test(text) ? (
        <a href={text} target="_blank" rel="noopener noreferrer">
          {text}
        </a>
      ) : (
        text
      )}
    </div>
  );
}
