import { Button, Kbd } from "@mantine/core";
import { IconPlayerPlay } from "@tabler/icons-react";
import { type KeyboardEvent, type ReactNode, type RefObject, useState } from "react";
import type { ApiProblem } from "../../api/client";
import classes from "./sql.module.css";

const INDENT = "  ";
const LEAST_ROWS = 6;
const MOST_ROWS = 24;

/** The statement as text. Ctrl+Enter runs it. */
export function Editor(props: {
  field: RefObject<HTMLTextAreaElement | null>;
  text: string;
  onText: (text: string) => void;
  onRun: () => void;
  onStop: () => void;
  running: boolean;
  problem: ApiProblem | null;
  /** The statement that the problem is about. */
  ran: string;
}): ReactNode {
  const { field, text, onText, onRun, onStop, running, problem, ran } = props;
  const [formatFailed, setFormatFailed] = useState(false);
  const format = async (): Promise<void> => {
    const { clickhouse, formatDialect } = await import("sql-formatter");
    try {
      onText(formatDialect(text, { dialect: clickhouse, keywordCase: "upper", tabWidth: 2 }));
      setFormatFailed(false);
    } catch {
      setFormatFailed(true);
    }
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onRun();
    } else if (event.key === "Tab" && !event.shiftKey && event.currentTarget.selectionStart !== event.currentTarget.selectionEnd) {
      // Only a selection is indented: Tab alone must lead out of the field.
      event.preventDefault();
      const { selectionStart, selectionEnd, value } = event.currentTarget;
      const lineStart = value.lastIndexOf("\n", selectionStart - 1) + 1;
      const indented = value.slice(lineStart, selectionEnd).replaceAll(/^/gm, INDENT);
      onText(value.slice(0, lineStart) + indented + value.slice(selectionEnd));
    }
  };
  const rows = Math.min(MOST_ROWS, Math.max(LEAST_ROWS, text.split("\n").length + 1));
  const position = problem === null || text !== ran ? null : problem.position;
  return (
    <div className={classes["editor"]}>
      <div className={classes["paper"]}>
        <pre className={classes["shadow"]} aria-hidden>
          {position === null ? (
            text
          ) : (
            <>
              {text.slice(0, position)}
              <mark>{text.slice(position, position + 1).trim() === "" ? " " : text.slice(position, position + 1)}</mark>
              {text.slice(position + 1)}
            </>
          )}
          {"\n"}
        </pre>
        <textarea
          ref={field}
          data-page-search
          aria-label="SQL statement"
          aria-invalid={problem !== null && text === ran}
          rows={rows}
          value={text}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          onChange={(event) => onText(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
      </div>
      <div className={classes["actions"]}>
        {running ? (
          <Button color="gray" onClick={onStop}>
            Stop
          </Button>
        ) : (
          <Button className={classes["primary"]} leftSection={<IconPlayerPlay size={14} />} onClick={onRun} disabled={text.trim() === ""}>
            Run
          </Button>
        )}
        <Button variant="default" onClick={() => void format()} disabled={text.trim() === ""}>
          Format
        </Button>
        <span className="dim">
          <Kbd size="xs">Ctrl</Kbd> <Kbd size="xs">Enter</Kbd> runs it
        </span>
        {formatFailed && <span className="warn-text">It cannot be formatted: it is no complete statement.</span>}
      </div>
    </div>
  );
}
