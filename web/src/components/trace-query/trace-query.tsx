import { Combobox, Loader, TextInput, useCombobox } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { type ReactNode, useRef, useState } from "react";
import { useGet } from "../../api/use-get";
import type { ApiProblem } from "../../api/client";
import { quoted } from "../../lib/query-text";
import { useTimeRange } from "../../state/time-range";
import classes from "./trace-query.module.css";
import { OWN_KEYS, tokenAt } from "./token";

/** The search language's input: completes keys and values, and shows where a query cannot be read. */
export function TraceQuery(props: {
  value: string;
  onSubmit: (value: string) => void;
  problem?: ApiProblem | null;
  busy?: boolean;
  placeholder?: string;
}): ReactNode {
  const { value, onSubmit, problem, busy = false, placeholder } = props;
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
  const suggestions = useSuggestions(token.key, token.text, combobox.dropdownOpened);
  const put = (suggestion: string): void => {
    const inserted = token.key === null ? `${quoted(suggestion)}:` : `${token.head}${quoted(suggestion)} `;
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
          aria-label="Search traces"
          placeholder={placeholder ?? "service:checkout duration:>100ms http.response.status_code:>=500"}
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
                <span className="ellipsis">{text === "" ? "(empty)" : text}</span>
                <small>{note}</small>
              </span>
            </Combobox.Option>
          ))}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}

function QueryProblem({ query, problem }: { query: string; problem: ApiProblem }): ReactNode {
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

function useSuggestions(key: string | null, text: string, open: boolean): { text: string; note: string }[] {
  const range = useTimeRange();
  const [prefix] = useDebouncedValue(text, 120);
  const keys = useGet(
    "/api/v1/traces/attributes",
    { params: { query: { prefix, ...range.query, limit: 40 } } },
    { enabled: open && key === null },
  );
  const values = useGet(
    "/api/v1/traces/attributes/{key}/values",
    { params: { path: { key: key ?? "" }, query: { prefix, ...range.query, limit: 40 } } },
    { enabled: open && key !== null && key !== "" && key !== "duration", keep: false },
  );
  if (!open) return [];
  if (key !== null) return (values.data?.values ?? []).map(({ value, count }) => ({ text: value, note: String(count) }));
  const own = OWN_KEYS.filter(([name]) => name.startsWith(text.toLowerCase())).map(([name, note]) => ({ text: name, note }));
  const found = (keys.data?.attributes ?? [])
    .filter(({ key: name }) => name.startsWith(text) && !own.some((one) => one.text === name))
    .map(({ key: name, count }) => ({ text: name, note: String(count) }));
  return [...own, ...found];
}
