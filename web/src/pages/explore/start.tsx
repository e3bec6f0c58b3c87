import { TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { type Metadata, usePrometheus } from "../../api/prometheus";
import { NothingSent } from "../../components/view/empty";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { exactCount } from "../../lib/format";
import { useFamilies } from "../../components/metrics/families";
import { firstLook } from "../../lib/promql";
import { useTimeRange } from "../../state/time-range";
import classes from "./explore.module.css";

const SHOWN = 24;

/** Metrics to begin with, each with what one would ask of it first. */
export function Start({ metadata, onPick }: { metadata: Metadata; onPick: (expression: string) => void }): ReactNode {
  const [typed, setTyped] = useState("");
  const range = useTimeRange();
  const status = usePrometheus("status/tsdb", { limit: 100_000 }, { freshSeconds: 60 });
  const families = useFamilies(status.data?.data, metadata);
  const wanted = typed.trim().toLowerCase();
  const found = families.filter(({ name, help }) => `${name} ${help}`.toLowerCase().includes(wanted));
  return (
    <Panel
      title="Metrics to begin with"
      side={
        families.length > 0 && (
          <TextInput
            aria-label="Find a metric"
            placeholder={`Find one of ${exactCount(families.length)}`}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
        )
      }
    >
      <QueryView query={status}>
        {() =>
          families.length === 0 ? (
            <NothingSent signal="metrics" title="No metrics yet" note="Any OpenTelemetry SDK sends them; Prometheus' remote write and scraping work, too." />
          ) : (
            <ul className={classes["start"]}>
              {found.slice(0, SHOWN).map(({ name, type, help, names }) => (
                <li key={name}>
                  <button type="button" onClick={() => onPick(firstLook(name, type, names, range.toMs - range.fromMs))}>
                    <b>{name}</b>
                    <small>
                      {[type, help].filter((part) => part !== "").join(": ")}
                    </small>
                  </button>
                </li>
              ))}
            </ul>
          )
        }
      </QueryView>
    </Panel>
  );
}
