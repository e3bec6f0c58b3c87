import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { SQLDialect, sql } from "@codemirror/lang-sql";
import { type ReactNode, useMemo } from "react";
import type { Schemas } from "../../api/client";
import { useGet } from "../../api/use-get";
import { sqlAsks } from "../../pages/sql/asks";
import { CodeEditor } from "./code-editor";
import type { EditorProps } from "./editor";

const KEYWORDS =
  "select from where group by order limit offset having with as join left right inner outer full cross any all on using " +
  "union distinct prewhere array sample final format settings and or not in between like ilike is null asc desc nulls first " +
  "last case when then else end interval second minute hour day week month year global totals rollup cube fill step to window " +
  "over partition rows range unbounded preceding following current row qualify describe explain exists true false";
const FUNCTIONS =
  "count sum avg min max any anyLast argMin argMax uniq uniqExact quantile quantiles quantileExact median countIf sumIf avgIf " +
  "groupArray groupUniqArray topK now toDateTime toDateTime64 toDate toStartOfMinute toStartOfFiveMinutes toStartOfHour " +
  "toStartOfDay toStartOfInterval toUnixTimestamp toString toFloat64 toInt64 toUInt64 round floor ceil abs if multiIf coalesce " +
  "ifNull nullIf length lower upper substring position replaceRegexpAll match extract splitByChar concat startsWith endsWith " +
  "has hasToken arrayJoin arrayMap arrayFilter arraySort mapKeys mapValues mapContains dateDiff formatDateTime " +
  "formatReadableSize lagInFrame leadInFrame row_number rank bitAnd greatest least tuple JSONExtractString";
const TYPES = "String DateTime DateTime64 Date Float64 Int64 UInt64 UInt8 Bool Array Map Tuple Nullable LowCardinality";

/** ClickHouse's words; names of columns and functions keep their case. */
const clickhouse = SQLDialect.define({
  keywords: KEYWORDS,
  identifierQuotes: '`"',
  backslashEscapes: true,
  hashComments: true,
  caseInsensitiveIdentifiers: false,
});

const functions: Completion[] = [
  ...FUNCTIONS.split(" ").map((label) => ({ label, type: "function", apply: `${label}(`, detail: "function", boost: -1 })),
  ...TYPES.split(" ").map((label) => ({ label, type: "type", detail: "type", boost: -2 })),
];

/** Tables that a statement reads, as far as its text says so. */
const READ = /\b(?:from|join)\s+[`"]?(\w+)/gi;

type Tables = Schemas["SqlSchema"]["tables"];

/** A statement in the engine's SQL, completed with the tables and columns that the tenant has. */
export function SqlEditor(props: EditorProps): ReactNode {
  const { data } = useGet(...sqlAsks().schema);
  const language = useMemo(() => {
    const tables = data?.tables ?? [];
    const schema = Object.fromEntries(tables.map((table) => [table.name, table.columns.map(column)]));
    const support = sql({
      dialect: clickhouse,
      schema,
      keywordCompletion: (label, type) => ({ label: label.toUpperCase(), type, boost: -1 }),
    });
    return [support, clickhouse.language.data.of({ autocomplete: (context: CompletionContext) => complete(context, tables) })];
  }, [data]);
  return <CodeEditor {...props} language={language} />;
}

/** Columns of the tables that the statement reads, and the engine's functions. */
function complete(context: CompletionContext, tables: Tables): CompletionResult | null {
  const word = context.matchBefore(/\w+/);
  if (word === null || context.state.sliceDoc(word.from - 1, word.from) === ".") return null;
  const read = new Set([...context.state.doc.toString().matchAll(READ)].map((match) => match[1]));
  const columns = tables.filter(({ name }) => read.has(name)).flatMap((table) => table.columns.map(column));
  return { from: word.from, options: [...columns, ...functions], validFor: /^\w*$/ };
}

function column({ name, type }: { name: string; type: string }): Completion {
  const plain = type.replaceAll("LowCardinality(String)", "String").replaceAll(", 'UTC'", "");
  return { label: name, type: "property", detail: plain.length > 30 ? `${plain.slice(0, 29)}…` : plain, boost: 2 };
}
