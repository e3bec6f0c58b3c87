import type { ReactNode } from "react";
import { type Alertmanagers, usePrometheus } from "../../api/prometheus";
import { CodeBlock } from "../../components/view/empty";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { exactCount, exactPlural, plural } from "../../lib/format";
import classes from "./rules.module.css";

const FRESH = { freshSeconds: 1 };
const EXAMPLE = `alerting:
  alertmanagers:
    - static_configs:
        - targets: ["alertmanager:9093"]`;

export function useAlertmanagers(): ReturnType<typeof usePrometheus<"alertmanagers">> {
  return usePrometheus("alertmanagers", {}, FRESH);
}

/** That Alertmanagers do not take alerts, in words; nothing if they all do. */
export function untold({ activeAlertmanagers: told }: Alertmanagers): string {
  const failing = told.filter(({ lastError }) => lastError !== undefined).length;
  if (failing === 0) return "";
  if (told.length === 1) return "The Alertmanager did not take the last alerts: nobody may have heard of them.";
  const nobody = failing === told.length ? ": nobody may have heard of them" : "";
  return `${exactCount(failing)} of ${exactPlural(told.length, "Alertmanager")} did not take the last alerts${nobody}.`;
}

/** Whom alerts are told, or that it is nobody, and what to do about that. */
export function Notified(): ReactNode {
  const alertmanagers = useAlertmanagers();
  return (
    <Panel title="Who is notified" label="Who is notified" className={classes["notified"]}>
      <QueryView query={alertmanagers} lines={1}>
        {({ data }) => (
          <>
            {data.activeAlertmanagers.length === 0 ? <Nobody {...data} /> : <Urls of={data.activeAlertmanagers} label="Alertmanagers that are told" />}
            {data.droppedAlertmanagers.length > 0 && (
              <>
                <p className="dim">Not told, as relabeling drops them:</p>
                <Urls of={data.droppedAlertmanagers} label="Dropped Alertmanagers" />
              </>
            )}
          </>
        )}
      </QueryView>
    </Panel>
  );
}

function Nobody({ droppedAlertmanagers: dropped }: Alertmanagers): ReactNode {
  if (dropped.length > 0) return <p className="warn-text">Nobody is notified: of {plural(dropped.length, "Alertmanager")} none is left.</p>;
  return (
    <>
      <p>
        <span className="warn-text">Nobody is notified: no Alertmanager is configured.</span> Name those that are to be told in the
        file of <code>--scrape-config</code>, as in Prometheus&apos; own:
      </p>
      <div className={classes["example"]}>
        <CodeBlock text={EXAMPLE} what="the example" />
      </div>
    </>
  );
}

function Urls({ of, label }: { of: { url: string; lastError?: string }[]; label: string }): ReactNode {
  return (
    <ul className={classes["urls"]} aria-label={label}>
      {of.map(({ url, lastError }, index) => (
        <li key={`${index} ${url}`}>
          <span className="mono">{url}</span>
          {lastError !== undefined && <span className="error-text"> did not take the last alerts: {lastError}</span>}
        </li>
      ))}
    </ul>
  );
}
