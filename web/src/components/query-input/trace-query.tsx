import { useDebouncedValue } from "@mantine/hooks";
import type { ReactNode } from "react";
import { useGet } from "../../api/use-get";
import { quoted } from "../../lib/query-text";
import { useTimeRange } from "../../state/time-range";
import { QueryInput, type QueryInputProps, type QueryLanguage, type Suggestion, type Token, useTyping } from "./query-input";
import { OWN_KEYS, tokenAt } from "./trace-token";

const CONDITIONS: QueryLanguage = { tokenAt, key: quoted, value: quoted };
const EXAMPLE = "service:checkout duration:>100ms http.response.status_code:>=500";

/** The trace search's input. */
export function TraceQuery({ placeholder = EXAMPLE, ...props }: QueryInputProps & { placeholder?: string }): ReactNode {
  const typing = useTyping(props.value, CONDITIONS);
  return (
    <QueryInput
      {...props}
      language={CONDITIONS}
      typing={typing}
      suggestions={useSuggestions(typing.token, typing.combobox.dropdownOpened)}
      label="Search traces"
      placeholder={placeholder}
    />
  );
}

function useSuggestions({ key, text }: Token, open: boolean): Suggestion[] {
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
