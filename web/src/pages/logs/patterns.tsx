import { UnstyledButton } from "@mantine/core";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { Sparkline } from "../../components/charts/sparkline";
import { Empty } from "../../components/view/empty";
import { Panel } from "../../components/view/panel";
import { QueryView } from "../../components/view/query-view";
import { ServiceName } from "../../components/view/service-name";
import { When } from "../../components/view/when";
import { change, count, exactCount, exactPlural, plural, share } from "../../lib/format";
import { useTimeRange } from "../../state/time-range";
import { patternsAsk } from "./asks";
import classes from "./logs.module.css";

type Pattern = Schemas["LogPattern"];

/** Lines that say the same, taken together. */
export function Patterns({ q, onQuery }: { q: string; onQuery: (q: string) => void }): ReactNode {
  const range = useTimeRange();
  const query = useGet(...patternsAsk({ q }, range.query));
  return (
    <QueryView query={query} lines={12}>
      {(data) => (
        <Panel
          flush
          title={`${exactPlural(data.patterns.length, "pattern")} in ${plural(data.total, "line")}`}
          side={data.sampled ? "counts are estimates from a sample" : undefined}
        >
          {data.patterns.length === 0 ? (
            <Empty title="No line matches">Look at a longer range, or ask for less.</Empty>
          ) : (
            <ol className={classes["patterns"]} aria-label="Patterns">
              {data.patterns.map((pattern) => (
                <PatternRow
                  key={`${pattern.pattern}|${pattern.services.join()}`}
                  pattern={pattern}
                  comparable={data.patterns.some(({ before_count }) => before_count > 0)}
                  onShow={() => onQuery(q === "" ? pattern.query : `(${q}) AND ${pattern.query}`)}
                />
              ))}
            </ol>
          )}
        </Panel>
      )}
    </QueryView>
  );
}

function PatternRow(props: { pattern: Pattern; comparable: boolean; onShow: () => void }): ReactNode {
  const { pattern, comparable, onShow } = props;
  const severity = Object.keys(pattern.severities)[0] ?? "unset";
  return (
    <li className={classes["pattern"]} data-severity={severity}>
      <span className="num" title={exactPlural(pattern.count, "line")}>
        {count(pattern.count)}
      </span>
      <span className={`num ${classes["wide"]}`}>{share(pattern.share)}</span>
      <span className={classes["wide"]}>
        <Sparkline values={pattern.trend} label="Lines" format={exactCount} width={104} height={20} />
      </span>
      <span className={classes["patternAge"]}>
        {comparable && pattern.is_new ? (
          <span className={classes["new"]}>
            new since <When time={pattern.first_seen} clockOnly />
          </span>
        ) : comparable ? (
          <span className="dim" title={`${exactCount(pattern.before_count)} in the time before`}>
            {change(pattern.count, pattern.before_count)}
          </span>
        ) : null}
      </span>
      <span className={classes["severity"]}>{severity === "unset" ? "" : severity}</span>
      <span className={classes["patternText"]}>
        <UnstyledButton
          className={classes["patternShow"]}
          disabled={pattern.query === ""}
          onClick={onShow}
          title={`Show these lines. For example: ${pattern.sample}`}
        >
          {marked(pattern.pattern)}
        </UnstyledButton>
        <span className={classes["patternServices"]}>
          {pattern.services.slice(0, 3).map((service) => (
            <ServiceName key={service} service={service} />
          ))}
          {pattern.services.length > 3 && <span className="dim">and {pattern.services.length - 3} more</span>}
        </span>
      </span>
    </li>
  );
}

const MARK = /(<(?:text|url|email|id|time|ip|number|word)>)/;

/** The pattern with what varies set apart. */
function marked(pattern: string): ReactNode[] {
  return pattern
    .split(MARK)
    .map((piece, index) => (MARK.test(piece) ? <em key={index}>{piece.slice(1, -1)}</em> : <span key={index}>{piece}</span>));
}
