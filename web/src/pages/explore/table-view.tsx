import type { ReactNode } from "react";
import { type InstantData, type InstantSeries, type Labels, type NativeHistogram, usePrometheus } from "../../api/prometheus";
import { Empty } from "../../components/view/empty";
import { QueryView } from "../../components/view/query-view";
import { SortableTable } from "../../components/view/sortable";
import { When } from "../../components/view/when";
import { exactCount, plural } from "../../lib/format";
import { isPlainLabel } from "../../lib/promql";
import { useTimeRange } from "../../state/time-range";
import classes from "./explore.module.css";
import type { Asked } from "./results";

const MOST_ROWS = 500;

/** The values of every query at the end of the range. */
export function TableView({ asked }: { asked: readonly Asked[] }): ReactNode {
  return asked.map((one) => <Values key={one.letter} asked={one} several={asked.length > 1} />);
}

function Values({ asked, several }: { asked: Asked; several: boolean }): ReactNode {
  const range = useTimeRange();
  const answer = usePrometheus("query", { query: asked.expression, time: range.toMs / 1000 });
  if (answer.isError) return null; // told under the query
  return (
    <QueryView query={answer}>
      {({ data }) => {
        const rows = rowsOf(data);
        return (
          <>
            <p className={classes["note"]}>
              {several && <b>{asked.letter} </b>}
              {plural(rows.length, "value")} at <When time={range.toMs} />
              {rows.length > MOST_ROWS && `; the first ${exactCount(MOST_ROWS)} are shown`}
            </p>
            {rows.length === 0 ? (
              <Empty title="No value at this moment" />
            ) : (
              <SortableTable
                label={several ? `Values of ${asked.letter}` : "Values"}
                initial="value"
                rows={rows.slice(0, MOST_ROWS)}
                keyOf={(row) => JSON.stringify(row.metric)}
                columns={[
                  { key: "series", head: "Series", sort: (row) => JSON.stringify(row.metric), cell: (row) => <Series metric={row.metric} /> },
                  { key: "value", head: "Value", numeric: true, sort: (row) => row.sort, cell: (row) => <span className="mono">{row.text}</span> },
                ]}
              />
            )}
          </>
        );
      }}
    </QueryView>
  );
}

interface Row {
  metric: Labels;
  text: string;
  sort: number | null;
}

function rowsOf(data: InstantData): Row[] {
  if (data.resultType === "vector") return data.result.map(rowOf);
  if (data.resultType === "matrix") {
    return data.result.map(({ metric, values }) => ({
      metric,
      text: plural(values?.length ?? 0, "sample"),
      sort: values?.length ?? 0,
    }));
  }
  return [{ metric: {}, text: data.result[1], sort: Number(data.result[1]) }];
}

function rowOf({ metric, value, histogram }: InstantSeries): Row {
  if (histogram) return { metric, text: histogramText(histogram[1]), sort: Number(histogram[1].count) };
  const number = Number(value?.[1]);
  return { metric, text: value?.[1] ?? "", sort: Number.isNaN(number) ? null : number };
}

function histogramText({ count, sum, buckets }: NativeHistogram): string {
  return `count ${count}, sum ${sum}, ${plural(buckets?.length ?? 0, "bucket")}`;
}

/** A series, its labels told from their values. */
function Series({ metric }: { metric: Labels }): ReactNode {
  const { __name__: name, ...labels } = metric;
  const pairs = Object.entries(labels);
  if (name === undefined && pairs.length === 0) return <span className="mono dim">{"{}"}</span>;
  return (
    <span className={classes["series"]}>
      {name !== undefined && <b>{name}</b>}
      {pairs.map(([label, value]) => (
        <span key={label}>
          <span className="dim">{isPlainLabel(label) ? label : `"${label}"`}=</span>
          {value === "" ? '""' : value}
        </span>
      ))}
    </span>
  );
}
