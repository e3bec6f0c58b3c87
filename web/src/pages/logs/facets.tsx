import { ActionIcon, Autocomplete, CloseButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconColumnInsertRight, IconMinus } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { useGet } from "../../api/use-get";
import { IconButton } from "../../components/view/icon-button";
import { QueryView } from "../../components/view/query-view";
import { count, exactCount, share } from "../../lib/format";
import { fieldIs, fieldIsNot, hasTerm, withoutTerm, withTerm } from "../../lib/lucene";
import { useTimeRange } from "../../state/time-range";
import { facetFields, facetsAsk, isCommon } from "./asks";
import classes from "./logs.module.css";
import type { LogsSearch } from "./search";

const MOST_FACETS = 8;

/** Values of fields with how many lines have them, to narrow the search by. */
export function Facets(props: {
  search: LogsSearch;
  onChosen: (fields: string[]) => void;
  onQuery: (q: string) => void;
  onColumn: (name: string) => void;
}): ReactNode {
  const { search, onChosen, onQuery, onColumn } = props;
  const { q = "", facets: chosen = [] } = search;
  const range = useTimeRange();
  const query = useGet(...facetsAsk(search, range.query));
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
                  {facet.values.map(({ value, lines }) => {
                    const term = fieldIs(facet.field, value);
                    const on = hasTerm(q, term);
                    return (
                      <li key={value} data-on={on || undefined}>
                        <button
                          type="button"
                          className={classes["facetValue"]}
                          aria-pressed={on}
                          title={`${value}: ${exactCount(lines)} lines, ${share(lines / Math.max(1, facet.lines))}`}
                          onClick={() => onQuery(on ? withoutTerm(q, term) : withTerm(q, term))}
                        >
                          <i style={{ width: `${(100 * lines) / Math.max(1, facet.lines)}%` }} />
                          <span className="ellipsis">{value}</span>
                          <span className="num">{count(lines)}</span>
                        </button>
                        <span className={classes["facetNot"]}>
                          <IconButton
                            label={`Leave out ${facet.field} ${value}`}
                            onClick={() => onQuery(withTerm(q, fieldIsNot(facet.field, value)))}
                          >
                            <IconMinus size={12} />
                          </IconButton>
                        </span>
                      </li>
                    );
                  })}
                </ul>
              </section>
            ))}
          </>
        )}
      </QueryView>
      {chosen.length < MOST_FACETS && (
        <FieldPicker
          placeholder="Count a field…"
          label="Count the values of a field"
          without={facetFields(search)}
          onPick={(name) => onChosen([...chosen, name])}
        />
      )}
    </aside>
  );
}

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
