import {
  acceptCompletion,
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  completionStatus,
  moveCompletionSelection,
  selectedCompletion,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentMore } from "@codemirror/commands";
import { bracketMatching, syntaxHighlighting } from "@codemirror/language";
import { forceLinting, linter, setDiagnostics } from "@codemirror/lint";
import { EditorState, type Extension, Prec, type Transaction } from "@codemirror/state";
import { type Command, EditorView, drawSelection, keymap, placeholder as placeholderText, tooltips } from "@codemirror/view";
import { type ReactNode, useEffect, useImperativeHandle, useRef } from "react";
import { nonce } from "../../lib/nonce";
import { useLatest } from "../../lib/use-latest";
import type { EditorProps } from "./editor";
import classes from "./editor.module.css";
import { editorTheme, highlighting } from "./theme";

/** A text that is edited with highlighting and completion; what it is written in comes as `language`. */
export function CodeEditor(props: EditorProps & { language: Extension }): ReactNode {
  const { value, onChange, onRun, label, placeholder = "", multiline = false, mark, language, handle, search = false } = props;
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  /** Texts that `onChange` was told since the page gave one. */
  const told = useRef<string[]>([]);
  /** Whether the text is being replaced by what the page gave. */
  const given = useRef(false);
  const latest = useLatest({ onChange, onRun, value });

  useEffect(() => {
    if (host.current === null) return;
    const run = (): boolean => {
      latest.current.onRun();
      return true;
    };
    const made = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: latest.current.value,
        extensions: [
          EditorView.cspNonce.of(nonce),
          history(),
          drawSelection(),
          bracketMatching(),
          closeBrackets(),
          // Nothing is chosen by itself, so that no key can take what has just appeared.
          autocompletion({ icons: false, selectOnOpen: false, interactionDelay: 0 }),
          tooltips({ position: "fixed" }),
          linter(null),
          language,
          syntaxHighlighting(highlighting),
          editorTheme,
          EditorView.lineWrapping,
          placeholderText(placeholder),
          EditorView.contentAttributes.of({
            "aria-label": label,
            autocapitalize: "off",
            spellcheck: "false",
            ...(search ? { "data-page-search": "" } : {}),
          }),
          // Enter takes a completion only when one was walked to; otherwise it runs or begins a line.
          keymap.of([...closeBracketsKeymap, ...completionKeymap]),
          Prec.high(keymap.of([{ key: "Mod-Enter", run }, { key: "Tab", run: complete }])),
          ...(multiline ? [EditorView.editorAttributes.of({ class: "cm-tall" })] : [keymap.of([{ key: "Enter", run }])]),
          keymap.of([...defaultKeymap, ...historyKeymap]),
          EditorView.domEventHandlers({ beforeinput: replaceSelected }),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged || given.current) return;
            const text = update.state.doc.toString();
            told.current.push(text);
            latest.current.onChange(text);
          }),
        ],
      }),
    });
    view.current = made;
    return () => {
      made.destroy();
      view.current = null;
    };
  }, [label, language, latest, multiline, placeholder, search]);

  useEffect(() => {
    const current = view.current;
    if (current === null) return;
    // A text that the editor told comes back late while one types on; it must not undo what was typed since.
    const known = told.current.indexOf(value);
    told.current = known === -1 ? [] : told.current.slice(known);
    if (known !== -1 || current.state.doc.toString() === value) return;
    given.current = true;
    current.dispatch({ changes: { from: 0, to: current.state.doc.length, insert: value } });
    given.current = false;
  }, [value]);

  // Squiggles of an answer stand until the text changes; the language's own checks come with every change.
  const position = mark?.position ?? null;
  const message = mark?.message ?? "";
  useEffect(() => {
    const current = view.current;
    if (current === null) return;
    const length = current.state.doc.length;
    if (position === null) {
      current.dispatch(setDiagnostics(current.state, []));
      forceLinting(current);
      return;
    }
    const from = Math.max(0, Math.min(position, length - 1));
    const to = Math.min(length, from + 1);
    current.dispatch(setDiagnostics(current.state, [{ from, to, severity: "error", message }]));
  }, [position, message]);

  useImperativeHandle(
    handle,
    () => ({
      insert: (text) => {
        const current = view.current;
        if (current === null) return;
        current.dispatch(current.state.replaceSelection(text));
        current.focus();
      },
    }),
    [],
  );
  return <div ref={host} className={classes["frame"]} data-plain={multiline || undefined} />;
}

/** Tab takes a completion, the first if none was walked to, or indents a selection; else it leads out of the field. */
const complete: Command = (view) => {
  if (completionStatus(view.state) === "active") {
    if (selectedCompletion(view.state) === null) moveCompletionSelection(true)(view);
    return acceptCompletion(view);
  }
  return view.state.selection.main.empty ? false : indentMore(view);
};

/**
 * Typing over a selection. By itself, Chromium would keep the look of what is replaced by an inline style, which the
 * content security policy forbids. What is replaced is asked of the document: the editor hears of a new selection only
 * some time after it was made, and may still believe that there is none.
 */
function replaceSelected(event: InputEvent, view: EditorView): boolean {
  if (event.inputType !== "insertText" || event.data === null || view.composing) return false;
  const selection = view.contentDOM.ownerDocument.getSelection();
  const range = selection === null || selection.rangeCount === 0 ? null : selection.getRangeAt(0);
  if (range === null || range.collapsed || !view.contentDOM.contains(range.commonAncestorContainer)) return false;
  const text = event.data;
  const from = view.posAtDOM(range.startContainer, range.startOffset);
  const to = view.posAtDOM(range.endContainer, range.endOffset);
  const insert = (): Transaction =>
    view.state.update({ changes: { from, to, insert: text }, selection: { anchor: from + text.length }, userEvent: "input.type" });
  event.preventDefault();
  const handled = view.state.facet(EditorView.inputHandler).some((handler) => handler(view, from, to, text, insert));
  if (!handled) view.dispatch(insert());
  return true;
}
