import { Combobox, type ComboboxStore, Loader, TextInput, useCombobox } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { type ReactNode, useRef, useState } from "react";
import type { ApiProblem } from "../../api/client";
import classes from "./query-input.module.css";

/** What is being typed at the caret of a query. */
export interface Token {
  from: number;
  to: number;
  /** The key or field, if the caret stands in its value. */
  key: string | null;
  /** What is typed of the key or the value, without quotation marks, escapes and operators. */
  text: string;
  /** Everything of the token before its value. */
  head: string;
}

export interface Suggestion {
  text: string;
  note: string;
}

/** A language that a search is written in. */
export interface QueryLanguage {
  tokenAt: (query: string, caret: number) => Token;
  /** A key as the language writes it, before its colon. */
  key: (name: string) => string;
  value: (text: string) => string;
}

/** What stands in the input and at its caret. */
export interface Typing {
  typed: string;
  token: Token;
  combobox: ComboboxStore;
  write: (text: string, caret: number) => void;
  moveTo: (caret: number) => void;
}

export interface QueryInputProps {
  value: string;
  onSubmit: (value: string) => void;
  problem?: ApiProblem | null;
  busy?: boolean;
}

/** Follows what is typed; a new `value` replaces it. */
export function useTyping(value: string, language: QueryLanguage): Typing {
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() });
  const [typed, setTyped] = useState(value);
  const [caret, setCaret] = useState(value.length);
  const [given, setGiven] = useState(value);
  if (given !== value) {
    setGiven(value);
    setTyped(value);
  }

  return {
    typed,
    token: language.tokenAt(typed, caret),
    combobox,
    write: (text, place) => {
      setTyped(text);
      setCaret(place);
    },
    moveTo: setCaret,
  };
}

/** A search's input: completes keys and values, and shows the character that a query fails at. */
export function QueryInput(
  props: QueryInputProps & {
    language: QueryLanguage;
    typing: Typing;
    suggestions: readonly Suggestion[];
    label: string;
    placeholder: string;
  },
): ReactNode {
  const { value, onSubmit, problem, busy = false, language, typing, suggestions, label, placeholder } = props;
  const { typed, token, combobox, write, moveTo } = typing;
  const input = useRef<HTMLInputElement>(null);
  const put = (suggestion: string): void => {
    const inserted = token.key === null ? `${language.key(suggestion)}:` : `${token.head}${language.value(suggestion)} `;
    const next = typed.slice(0, token.from) + inserted + typed.slice(token.to).trimStart();
    const place = token.from + inserted.length;
    write(next, place);
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
          aria-label={label}
          placeholder={placeholder}
          leftSection={<IconSearch size={15} />}
          rightSection={busy ? <Loader size={14} /> : null}
          value={typed}
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => {
            write(event.currentTarget.value, event.currentTarget.selectionStart ?? event.currentTarget.value.length);
            combobox.openDropdown();
          }}
          onSelect={(event) => moveTo(event.currentTarget.selectionStart ?? 0)}
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

/** A query's error, under the character that the server names. */
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
