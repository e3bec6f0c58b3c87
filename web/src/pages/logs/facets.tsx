import { ActionIcon, Autocomplete, CloseButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconColumnInsertRight, IconMinus } from "@tabler/icons-react";
import { memo, type ReactNode, useCallback, useState } from "react";
import { useGet } from "../../api/use-get";
import { IconButton } from "../../components/view/icon-button";
import { QueryView } from "../../components/view/query-view";
import { count, exactPlural, share } from "../../lib/format";
import { fieldIs, fieldIsNot, hasTerm, withoutTerm, withTerm } from "../../lib/lucene";
import { useLatest } from "../../lib/use-latest";
import { useTimeRange } from "../../state/time-range";
import { facetFields, facetsAsk, isCommon } from "./asks";
import classes from "./logs.module.css";
import type { LogsSearch } from "./search";

const MOST_FACETS = 8;
const NO_FIELDS: string[] = [];

/** Values of fields with how many lines have them, to narrow the search by. */
export function Facets(props: {
  search: LogsSearch;
  onChosen: (fields: string[]) => void;
  onQuery: (q: string) => void;
  onColumn: (name: string) => void;
}): ReactNode {
  const { search, onChosen, onQuery, onColumn } = props;
  const { q = "", facets: chosen = NO_FIELDS } = search;
  const range = useTimeRange();
  const query = useGet(...facetsAsk(search, range.query));
  const asking = useLatest({ q, onQuery });
  const pick = useCallback(
    (field: string, value: string) => {
      const term = fieldIs(field, value);
      const { q, onQuery } = asking.current;
      onQuery(hasTerm(q, term) ? withoutTerm(q, term) : withTerm(q, term));
    },
    [asking],
  );
  const leaveOut = useCallback(
    (field: string, value: string) => asking.current.onQuery(withTerm(asking.current.q, fieldIsNot(field, value))),
    [asking],
  );
  return (
    <aside className={classes["facets"]} aria-label="Facets">
      <QueryView query={query} lines={10}>
        {({ facets }) => (
          <>
            {facets.map((facet) => (
              <section key={facet.field} aria-label={facet.field}>
                <header>
                  <h3 className="ellipsis" title={facet.field}>
                    {facet.field}
                  </h3>
                  <small>{facet.distinct > facet.values.length ? `${count(facet.distinct)} values` : ""}</small>
                  {isCommon(facet.field) ? null : (
                    <>
                      <ActionIcon title="Show as a column" size={18} onClick={() => onColumn(facet.field)} aria-label={`Show ${facet.field} as a column`}>
                        <IconColumnInsertRight size={13} />
                      </ActionIcon>
                      <CloseButton
                        size={18}
                        onClick={() => onChosen(chosen.filter((name) => name !== facet.field))}
                        aria-label={`Stop counting ${facet.field}`}
                      />
                    </>
                  )}
                </header>
                {facet.values.length === 0 && <span className="dim">No line has it.</span>}
                <ul>
                  {facet.values.map(({ value, lines }) => (
                    <FacetValue
                      key={value}
                      field={facet.field}
                      value={value}
                      lines={lines}
                      part={lines / Math.max(1, facet.lines)}
                      on={hasTerm(q, fieldIs(facet.field, value))}
                      onPick={pick}
                      onLeaveOut={leaveOut}
                    />
                  ))}
                </ul>
              </section>
            ))}
          </>
        )}
      </QueryView>
      {chosen.length < MOST_FACETS && (
        <MoreFacets chosen={chosen} onChosen={onChosen} />
      )}
    </aside>
  );
}

const MoreFacets = memo(function MoreFacets(props: {
  chosen: string[];
  onChosen: (fields: string[]) => void;
}): ReactNode {
  const { chosen, onChosen } = props;
  return (
    <FieldPicker
      placeholder="Count a field…"
      label="Count the values of a field"
      without={facetFields(chosen)}
      onPick={(name) => onChosen([...chosen, name])}
    />
  );
});

/** One value. There may be a hundred, and a choice changes one or two of them. */
const FacetValue = memo(function FacetValue(props: {
  field: string;
  value: string;
  lines: number;
  /** The part of all lines that have it. */
  part: number;
  on: boolean;
  onPick: (field: string, value: string) => void;
  onLeaveOut: (field: string, value: string) => void;
}): ReactNode {
  const { field, value, lines, part, on, onPick, onLeaveOut } = props;
  return (
    <li data-on={on || undefined}>
      <button
        type="button"
        className={classes["facetValue"]}
        aria-pressed={on}
        title={`${value}: ${exactPlural(lines, "line")}, ${share(part)}`}
        onClick={() => onPick(field, value)}
      >
        <i style={{ width: `${100 * part}%` }} />
        <span className="ellipsis">{value}</span>
        <span className="num">{count(lines)}</span>
      </button>
      <span className={classes["facetNot"]}>
        <IconButton label={`Leave out ${field} ${value}`} onClick={() => onLeaveOut(field, value)}>
          <IconMinus size={12} />
        </IconButton>
      </span>
    </li>
  );
});

/** An input that completes the names of fields. */
export function FieldPicker(props: {
  placeholder: string;
  label: string;
  without: readonly string[];
  onPick: (name: string) => void;
}): ReactNode {
  const { placeholder, label, without, onPick } = props;
  const [typed, setTyped] = useState("");
  const [open, setOpen] = useState(false);
  const [prefix] = useDebouncedValue(typed, 120);
  const range = useTimeRange();
  const fields = useGet(
    "/api/v1/logs/fields",
    { params: { query: { ...range.query, prefix, limit: 60 } } },
    { enabled: open },
  );
  const names = (fields.data?.fields ?? [])
    .map(({ name }) => name)
    .filter((name) => !without.includes(name) && !["body", "time", "observed_time"].includes(name));
  const pick = (name: string): void => {
    if (name.trim() === "") return;
    onPick(name.trim());
    setTyped("");
  };
  return (
    <Autocomplete
      aria-label={label}
      placeholder={placeholder}
      data={[...new Set(names)]}
      value={typed}
      onChange={setTyped}
      onFocus={() => setOpen(true)}
      onOptionSubmit={(name) => {
        pick(name);
        requestAnimationFrame(() => setTyped(""));
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && !names.some((name) => name.startsWith(typed))) pick(typed);
      }}
      maxDropdownHeight={260}
    />
  );
}
