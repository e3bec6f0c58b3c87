import { Combobox, Loader, TextInput, useCombobox } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { type ReactNode, useRef, useState } from "react";
import type { ApiProblem } from "../../api/client";
import { useGet } from "../../api/use-get";
import { count } from "../../lib/format";
import { fieldName, phrase } from "../../lib/lucene";
import { useTimeRange } from "../../state/time-range";
import classes from "./query-bar.module.css";
import { tokenAt } from "./token";

const SUGGESTIONS = 40;
const NO_VALUES = new Set(["body", "message", "time", "timestamp", "observed_time"]);

/** The log search's input: completes fields and values, and shows the character that a query fails at. */
export function QueryBar(props: {
  value: string;
  onSubmit: (value: string) => void;
  problem?: ApiProblem | null;
  busy?: boolean;
}): ReactNode {
  const { value, onSubmit, problem, busy = false } = props;
  const input = useRef<HTMLInputElement>(null);
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() });
  const [typed, setTyped] = useState(value);
  const [caret, setCaret] = useState(value.length);
  const [given, setGiven] = useState(value);
  if (given !== value) {
    setGiven(value);
    setTyped(value);
  }

  const token = tokenAt(typed, caret);
  const suggestions = useSuggestions(token.field, token.text, combobox.dropdownOpened);
  const put = (suggestion: string): void => {
    const inserted = token.field === null ? `${fieldName(suggestion)}:` : `${token.head}${phrase(suggestion)} `;
    const next = typed.slice(0, token.from) + inserted + typed.slice(token.to).trimStart();
    const place = token.from + inserted.length;
    setTyped(next);
    setCaret(place);
    combobox.resetSelectedOption();
    requestAnimationFrame(() => input.current?.setSelectionRange(place, place));
  };
  return (
    <Combobox store={combobox} onOptionSubmit={put} position="bottom-start" shadow="md" withinPortal>
      <Combobox.Target>
        <TextInput
          ref={input}
          data-page-search
          classNames={{ input: classes["input"] }}
          aria-label="Search logs"
          placeholder='severity:>=warn AND service:checkout "card declined"'
          leftSection={<IconSearch size={15} />}
          rightSection={busy ? <Loader size={14} /> : null}
          value={typed}
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => {
            setTyped(event.currentTarget.value);
            setCaret(event.currentTarget.selectionStart ?? event.currentTarget.value.length);
            combobox.openDropdown();
          }}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart ?? 0)}
          onFocus={() => combobox.openDropdown()}
          onBlur={() => combobox.closeDropdown()}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || (combobox.dropdownOpened && combobox.getSelectedOptionIndex() >= 0)) return;
            event.preventDefault();
            combobox.closeDropdown();
            onSubmit(typed.trim());
          }}
        />
      </Combobox.Target>
      {problem && <QueryProblem query={value} problem={problem} />}
      <Combobox.Dropdown hidden={suggestions.length === 0} miw={280}>
        <Combobox.Options mah={260} style={{ overflowY: "auto" }} aria-label="Completions">
          {suggestions.map(({ text, note }) => (
            <Combobox.Option key={text} value={text}>
              <span className={classes["option"]}>
                <span className="ellipsis">{text}</span>
                <small>{note}</small>
              </span>
            </Combobox.Option>
          ))}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}

/** A query's error, under the character that the server names. */
export function QueryProblem({ query, problem }: { query: string; problem: ApiProblem }): ReactNode {
  return (
    <div className={classes["problem"]} role="alert">
      {problem.position !== null && (
        <div className={classes["mark"]} aria-hidden>
          {query.slice(0, problem.position)}
          <b>{query.slice(problem.position, problem.position + 1) || " "}</b>
          {query.slice(problem.position + 1)}
        </div>
      )}
      {problem.message}
    </div>
  );
}

function useSuggestions(field: string | null, text: string, open: boolean): { text: string; note: string }[] {
  const range = useTimeRange();
  const [prefix] = useDebouncedValue(text, 120);
  const fields = useGet(
    "/api/v1/logs/fields",
    { params: { query: { prefix, ...range.query, limit: SUGGESTIONS } } },
    { enabled: open && field === null },
  );
  const values = useGet(
    "/api/v1/logs/fields/{name}/values",
    { params: { path: { name: field ?? "" }, query: { prefix, ...range.query, limit: SUGGESTIONS } } },
    { enabled: open && field !== null && field !== "" && !NO_VALUES.has(field), keep: false },
  );
  if (!open) return [];
  if (field !== null) {
    return (values.data?.values ?? [])
      .filter(({ value }) => value !== "")
      .map(({ value, lines }) => ({ text: value, note: count(lines) }));
  }
  return (fields.data?.fields ?? [])
    .filter(({ name }) => name.toLowerCase().startsWith(text.toLowerCase()))
    .map(({ name, kind }) => ({ text: name, note: kind }));
}
