import type { ReactNode, Ref } from "react";
import { later } from "../view/later";
import classes from "./editor.module.css";

export interface EditorHandle {
  /** Put a text where the caret is. */
  insert: (text: string) => void;
}

export interface EditorProps {
  value: string;
  onChange: (value: string) => void;
  /** Ctrl+Enter runs; Enter alone does where the text is one line. */
  onRun: () => void;
  label: string;
  placeholder?: string;
  /** Whether Enter begins a line. Default: it runs, and Shift+Enter begins a line. */
  multiline?: boolean;
  /** What the server says is wrong, and the index of the character. */
  mark?: { position: number; message: string } | null;
  handle?: Ref<EditorHandle>;
  /** Whether `/` leads here. */
  search?: boolean;
}

/** An input for PromQL; its code is loaded when the first one is shown. */
export const PromqlInput = later<EditorProps>(async () => (await import("./promql-editor")).PromqlEditor, Waiting);

/** An input for SQL; its code is loaded when the first one is shown. */
export const SqlInput = later<EditorProps>(async () => (await import("./sql-editor")).SqlEditor, Waiting);

function Waiting({ value, placeholder = "" }: EditorProps): ReactNode {
  return (
    <pre className={classes["waiting"]} data-ready={false}>
      {value === "" ? placeholder : value}
    </pre>
  );
}
