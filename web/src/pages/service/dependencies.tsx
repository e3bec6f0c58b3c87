import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { ErrorShare } from "../../components/view/error-share";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { ServiceName } from "../../components/view/service-name";
import { type Column, SortableTable } from "../../components/view/sortable";
import { durationMs, rate } from "../../lib/format";
import { useTimeRange } from "../../state/time-range";
import classes from "./service.module.css";

type Edge = Schemas["EdgeFigures"];

/** Who calls the service, and whom it calls. */
export function Dependencies({ service }: { service: string }): ReactNode {
  const range = useTimeRange();
  const edges = useGet("/api/v1/service-map", { params: { query: range.query } });
  return (
    <QueryView query={edges}>
      {(data) => (
        <div className={classes["two"]}>
          <Panel title="Called by" flush>
            <EdgeTable
              edges={data.edges.filter((edge) => edge.server === service && edge.connection_type !== "database")}
              other="client"
              none="Nothing that sends spans calls it."
            />
          </Panel>
          <Panel title="Calls" flush>
            <EdgeTable edges={data.edges.filter((edge) => edge.client === service)} other="server" none="It calls nothing." />
          </Panel>
        </div>
      )}
    </QueryView>
  );
}

function EdgeTable(props: { edges: Edge[]; other: "client" | "server"; none: string }): ReactNode {
  const { edges, other, none } = props;
  if (edges.length === 0) return <p className="dim">&nbsp; {none}</p>;
  const columns: Column<Edge>[] = [
    {
      key: "service",
      head: "Service",
      sort: (edge) => edge[other],
      cell: (edge) => <ServiceName service={edge[other]} link={edge.connection_type !== "database"} />,
    },
    { key: "type", head: "By", sort: (edge) => edge.connection_type, cell: (edge) => <span className="dim">{edge.connection_type}</span> },
    { key: "rate", head: "Rate", numeric: true, sort: (edge) => edge.rate, cell: (edge) => rate(edge.rate) },
    { key: "errors", head: "Errors", numeric: true, sort: (edge) => edge.error_rate, cell: (edge) => <ErrorShare figures={edge} /> },
    { key: "p95", head: "p95", numeric: true, sort: (edge) => edge.p95_ms, cell: (edge) => durationMs(edge.p95_ms) },
  ];
  return (
    <SortableTable
      rows={edges}
      columns={columns}
      keyOf={(edge) => `${edge[other]} ${edge.connection_type}`}
      initial="rate"
      label={other === "client" ? "Callers" : "Called services"}
    />
  );
}
