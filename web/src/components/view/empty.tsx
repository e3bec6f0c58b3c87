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

/** Nothing has arrived yet: what to send, with this server's address and this caller's key filled in. */
export function NothingSent({ title, note }: { title: string; note: string }): ReactNode {
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
  const text = instructions(way, endpoint, headers);
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

function instructions(way: Way, endpoint: string, headers: (readonly [string, string])[]): string {
  const exported = headers.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join(",");
  const environment = [
    `export OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint}`,
    "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    ...(exported === "" ? [] : [`export OTEL_EXPORTER_OTLP_HEADERS='${exported}'`]),
    "export OTEL_SERVICE_NAME=my-service",
  ];
  if (way === "environment") return environment.join("\n");
  if (way === "python") {
    return [
      "pip install opentelemetry-distro opentelemetry-exporter-otlp",
      "opentelemetry-bootstrap -a install",
      ...environment,
      "opentelemetry-instrument python app.py",
    ].join("\n");
  }
  const now = Date.now();
  const span =
    `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"my-service"}}]},` +
    `"scopeSpans":[{"spans":[{"traceId":"${hex(32)}","spanId":"${hex(16)}","name":"hello","kind":2,` +
    `"startTimeUnixNano":"${now - 20}000000","endTimeUnixNano":"${now}000000"}]}]}]}`;
  const flags = headers.map(([name, value]) => ` -H '${name}: ${value}'`).join("");
  return `curl ${endpoint}/v1/traces -H 'content-type: application/json'${flags} -d '${span}'`;
}

function hex(digits: number): string {
  const values = crypto.getRandomValues(new Uint8Array(digits / 2));
  return Array.from(values, (value) => value.toString(16).padStart(2, "0")).join("");
}
