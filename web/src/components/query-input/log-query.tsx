import { useDebouncedValue } from "@mantine/hooks";
import type { ReactNode } from "react";
import { useGet } from "../../api/use-get";
import { count } from "../../lib/format";
import { fieldName, phrase } from "../../lib/lucene";
import { useTimeRange } from "../../state/time-range";
import { tokenAt } from "./lucene-token";
import { QueryInput, type QueryInputProps, type QueryLanguage, type Suggestion, type Token, useTyping } from "./query-input";

const SUGGESTIONS = 40;
const NO_VALUES = new Set(["body", "message", "time", "timestamp", "observed_time"]);
const LUCENE: QueryLanguage = { tokenAt, key: fieldName, value: phrase };

/** The log search's input. */
export function LogQuery(props: QueryInputProps): ReactNode {
  const typing = useTyping(props.value, LUCENE);
  return (
    <QueryInput
      {...props}
      language={LUCENE}
      typing={typing}
      suggestions={useSuggestions(typing.token, typing.combobox.dropdownOpened)}
      label="Search logs"
      placeholder='severity:>=warn AND service:checkout "card declined"'
    />
  );
}

function useSuggestions({ key: field, text }: Token, open: boolean): Suggestion[] {
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
