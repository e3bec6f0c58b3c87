import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { forceParsing } from "@codemirror/language";
import { type CompleteStrategy, newCompleteStrategy, PromQLExtension } from "@prometheus-io/codemirror-promql";
import type { HybridComplete } from "@prometheus-io/codemirror-promql/dist/esm/complete/hybrid";
import { type ReactNode, useEffect, useMemo } from "react";
import { apiFetch } from "../../api/client";
import { isPlainLabel, isPlainMetric, quotedText, selector } from "../../lib/promql";
import { useTenant } from "../../state/tenant";
import { CodeEditor } from "./code-editor";
import type { EditorProps } from "./editor";

const FRESH_MS = 60_000;
const PARSE_MS = 500;
/** What is typed of a name with dots, which the grammar has in quotation marks only. */
const DOTTED = /(?:^|[\s(,+\-*/^%=<>])([a-zA-Z_][\w:]*\.[\w.:]*)$/;

/** An expression with Prometheus' own highlighting, checks and completion, which asks this tenant's API. */
export function PromqlEditor(props: EditorProps): ReactNode {
  const tenant = useTenant();
  const promql = useMemo(() => checkedWhole(new PromQLExtension().setComplete({ completeStrategy: new Completer(tenant) })), [tenant]);
  const language = useMemo(() => promql.asExtension(), [promql]);
  useEffect(() => () => promql.destroy(), [promql]);
  return <CodeEditor {...props} language={language} />;
}

/** Checks only what is parsed to its end: half a tree, as a busy machine has for a moment, would be full of errors. */
function checkedWhole(promql: PromQLExtension): PromQLExtension {
  const common = promql.getLinter();
  return promql.setLinter({
    promQL: () => {
      const check = common.promQL();
      return (view) => (forceParsing(view, view.state.doc.length, PARSE_MS) ? check(view) : []);
    },
  });
}

/** Prometheus' completion, which also knows names that need quotation marks. */
class Completer implements CompleteStrategy {
  readonly #common: HybridComplete;

  constructor(tenant: string | undefined) {
    this.#common = newCompleteStrategy({
      remote: {
        url: "/prometheus",
        cache: { maxAge: FRESH_MS },
        fetchFn: (input, init) => apiFetch(addressOf(input), tenant, init),
      },
    }) as HybridComplete;
  }

  async promQL(context: CompletionContext): Promise<CompletionResult | null> {
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    const inString = (before.match(/"/g)?.length ?? 0) % 2 === 1;
    const dotted = inString ? undefined : DOTTED.exec(before)?.[1];
    if (dotted !== undefined) return this.#metrics(context.pos - dotted.length);
    const found = await this.#common.promQL(context);
    return found === null || inString ? found : { ...found, options: found.options.map(quotedIfNeeded) };
  }

  destroy(): void {
    this.#common.destroy();
  }

  /** The metrics, for a name whose dots end what the grammar takes for a name. */
  async #metrics(from: number): Promise<CompletionResult | null> {
    const client = this.#common.getPrometheusClient();
    if (client === undefined) return null;
    const [names, metadata] = await Promise.all([client.metricNames(), client.metricMetadata()]);
    const options = names.map((label): Completion => {
      const told = metadata[label]?.[0] ?? metadata[label.replace(/_(bucket|count|sum)$/, "")]?.[0];
      return quotedIfNeeded({ label, type: "constant", detail: told?.type ?? "", ...(told ? { info: told.help } : {}) });
    });
    return { from, options, validFor: /^[\w:.]*$/ };
  }
}

/** Metrics and labels are the completions without an `apply` of their own; a metric comes with its type. */
function quotedIfNeeded(option: Completion): Completion {
  if (option.type !== "constant" || option.apply !== undefined || isPlainMetric(option.label)) return option;
  if (isPlainLabel(option.label)) return option;
  return { ...option, apply: option.detail === undefined ? quotedText(option.label) : selector(option.label) };
}

function addressOf(input: RequestInfo | URL): string {
  return input instanceof Request ? input.url : String(input);
}
