import { SegmentedControl } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useGet } from "../../api/use-get";
import { useApiKey } from "../../state/use-key";
import { useTenant } from "../../state/tenant";
import { Copy } from "./copy";
import classes from "./view.module.css";

/** Nothing to show: what that means, and what to do. */
export function Empty({ title, children }: { title: string; children?: ReactNode }): ReactNode {
  return (
    <div className={classes["empty"]}>
      <strong>{title}</strong>
      {children}
    </div>
  );
}

type Way = "python" | "environment" | "curl";
type Signal = "traces" | "logs" | "metrics";

/** Nothing has arrived yet: what to send, with this server's address and this caller's key filled in. */
export function NothingSent({ title, note, signal = "traces" }: { title: string; note: string; signal?: Signal }): ReactNode {
  const [way, setWay] = useState<Way>("environment");
  const session = useGet("/api/v1/session", {});
  const key = useApiKey();
  const tenant = useTenant();
  const host = window.location.hostname;
  const endpoint = `${window.location.protocol}//${host}:${session.data?.otlp_http_port ?? window.location.port}`;
  const headers = [
    ...(key === null ? [] : [["authorization", `Bearer ${key}`] as const]),
    ...(tenant === undefined ? [] : [["x-scope-orgid", tenant] as const]),
  ];
  const text = way === "curl" ? curl(signal, endpoint, headers) : environment(way, endpoint, headers);
  return (
    <Empty title={title}>
      <span>{note}</span>
      <div className={classes["sending"]}>
        <SegmentedControl
          mb={8}
          value={way}
          onChange={(value) => setWay(value as Way)}
          data={[
            { value: "environment", label: "Any OpenTelemetry SDK" },
            { value: "python", label: "Python" },
            { value: "curl", label: "Try with curl" },
          ]}
        />
        <CodeBlock text={text} what="instructions" />
      </div>
    </Empty>
  );
}

/** Text to copy. */
export function CodeBlock({ text, what }: { text: string; what: string }): ReactNode {
  return (
    <pre className={classes["code"]}>
      {text}
      <span className={classes["codeCopy"]}>
        <Copy value={text} what={what} />
      </span>
    </pre>
  );
}

type Headers = readonly (readonly [string, string])[];

function environment(way: "python" | "environment", endpoint: string, headers: Headers): string {
  const exported = headers.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join(",");
  const lines = [
    `export OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint}`,
    "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    ...(exported === "" ? [] : [`export OTEL_EXPORTER_OTLP_HEADERS='${exported}'`]),
    "export OTEL_SERVICE_NAME=my-service",
  ];
  return (way === "environment" ? lines : ["pip install vedette", ...lines, "vedette run -- python app.py"]).join("\n");
}

/** One span, one line or one sample, sent by hand. */
function curl(signal: Signal, endpoint: string, headers: Headers): string {
  const now = Date.now();
  const sent = {
    traces: ["Spans", "spans", { traceId: hex(32), spanId: hex(16), name: "hello", kind: 2, startTimeUnixNano: `${now - 20}000000`, endTimeUnixNano: `${now}000000` }],
    logs: ["Logs", "logRecords", { timeUnixNano: `${now}000000`, severityNumber: 9, body: { stringValue: "hello" } }],
    metrics: ["Metrics", "metrics", { name: "hello", gauge: { dataPoints: [{ timeUnixNano: `${now}000000`, asDouble: 1 }] } }],
  } as const;
  const [kind, items, item] = sent[signal];
  const resource = { attributes: [{ key: "service.name", value: { stringValue: "my-service" } }] };
  const body = { [`resource${kind}`]: [{ resource, [`scope${kind}`]: [{ [items]: [item] }] }] };
  const flags = headers.map(([name, value]) => ` -H '${name}: ${value}'`).join("");
  return `curl ${endpoint}/v1/${signal} -H 'content-type: application/json'${flags} -d '${JSON.stringify(body)}'`;
}

function hex(digits: number): string {
  const values = crypto.getRandomValues(new Uint8Array(digits / 2));
  return Array.from(values, (value) => value.toString(16).padStart(2, "0")).join("");
}
