import { lazy, type ReactNode, type Ref, Suspense } from "react";
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

const Promql = lazy(async () => ({ default: (await import("./promql-editor")).PromqlEditor }));
const Sql = lazy(async () => ({ default: (await import("./sql-editor")).SqlEditor }));

/** An input for PromQL; its code is loaded when the first one is shown. */
export function PromqlInput(props: EditorProps): ReactNode {
  return (
    <Suspense fallback={<Waiting {...props} />}>
      <Promql {...props} />
    </Suspense>
  );
}

/** An input for SQL; its code is loaded when the first one is shown. */
export function SqlInput(props: EditorProps): ReactNode {
  return (
    <Suspense fallback={<Waiting {...props} />}>
      <Sql {...props} />
    </Suspense>
  );
}

function Waiting({ value, placeholder = "" }: EditorProps): ReactNode {
  return <pre className={classes["waiting"]}>{value === "" ? placeholder : value}</pre>;
}
