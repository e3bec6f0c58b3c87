import { CloseButton } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { usePrometheus } from "../../api/prometheus";
import { useGet } from "../../api/use-get";
import type { Family } from "../../components/metrics/families";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { exactCount, plural } from "../../lib/format";
import { quotedText, selector, seriesText } from "../../lib/promql";
import classes from "./catalogue.module.css";

const MOST_ENTRIES = 1_000;
const VALUES_SHOWN = 4;

/** One metric: its labels with their values, and where it is used. */
export function Details({ family, onClose }: { family: Family; onClose: () => void }): ReactNode {
  const counts = useGet(
    "/api/v1/cardinality",
    { params: { query: { match: matcher(family.names), limit: MOST_ENTRIES } } },
    { freshSeconds: 30 },
  );
  return (
    <Panel
      label="The metric"
      title={<span className={classes["title"]}>{family.name}</span>}
      side={<CloseButton size="sm" onClick={onClose} aria-label="Close the metric" />}
    >
      <p className={classes["help"]}>{family.help === "" ? "Nobody said what it means." : family.help}</p>
      <p className="dim">
        {[family.type || "unknown type", family.unit, `${exactCount(family.series)} series`].filter((part) => part !== "").join(", ")}
      </p>
      <ul className={classes["names"]}>
        {family.names.toSorted().map((name) => (
          <li key={name}>
            <Link to="/explore" search={{ q: [selector(name)] }}>
              {name}
            </Link>
          </li>
        ))}
      </ul>
      <UsedIn names={family.names} />
      <QueryView query={counts}>
        {(data) => (
          <div className={classes["labels"]} tabIndex={0} role="region" aria-label="Labels">
            <table aria-label="Labels">
              <thead>
                <tr>
                  <th scope="col">Label</th>
                  <th scope="col" className="num">
                    Values
                  </th>
                  <th scope="col" className="num">
                    Series
                  </th>
                  <th scope="col">Most in</th>
                </tr>
              </thead>
              <tbody>
                {data.by_label.filter(({ name }) => name !== "__name__").map(({ name, values, series }) => (
                  <tr key={name}>
                    <td className="mono">{name}</td>
                    <td className="num">{exactCount(values)}</td>
                    <td className="num">{exactCount(series)}</td>
                    <td className="dim">
                      {examplesOf(data, name)}
                      {values > VALUES_SHOWN && " …"}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </QueryView>
    </Panel>
  );
}

function matcher(names: readonly string[]): string {
  const pattern = names.map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join("|");
  return `{__name__=~${quotedText(pattern)}}`;
}

/** The values of a label that most series have. */
function examplesOf(counts: Schemas["Cardinality"], label: string): string {
  return counts.by_pair
    .filter((pair) => pair.label === label)
    .slice(0, VALUES_SHOWN)
    .map(({ value }) => (value === "" ? '""' : value))
    .join(", ");
}

/** Rules and saved views whose expressions name the metric. */
function UsedIn({ names }: { names: readonly string[] }): ReactNode {
  const rules = usePrometheus("rules", {}, { freshSeconds: 30 });
  const views = useGet("/api/v1/views", { params: { query: { page: "explore" } } }, { freshSeconds: 30 });
  const inText = (text: string): boolean => names.some((name) => new RegExp(`(?<![\\w:.])${escaped(name)}(?![\\w:.])`).test(text));
  const usedRules = (rules.data?.data.groups ?? []).flatMap(({ rules }) => rules).filter(({ query }) => inText(query));
  const usedViews = (views.data?.views ?? []).filter(({ state }) => inText(JSON.stringify(state["q"] ?? [])));
  if (usedRules.length + usedViews.length === 0) return null;
  return (
    <>
      <h3 className={classes["used"]}>Used in {plural(usedRules.length + usedViews.length, "place")}</h3>
      <ul className={classes["names"]}>
        {usedRules.map((rule) => (
          <li key={`rule ${seriesText({ ...rule.labels, __name__: rule.name })}`}>
            <Link to="/explore/rules" search={{ q: rule.name }}>
              {rule.name}
            </Link>{" "}
            <span className="dim">{rule.type} rule</span>
          </li>
        ))}
        {usedViews.map(({ id, name, state }) => (
          <li key={id}>
            <Link to="/explore" search={{ ...state }}>
              {name}
            </Link>{" "}
            <span className="dim">saved view</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
