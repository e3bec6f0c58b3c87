import { Button, Kbd } from "@mantine/core";
import { IconPlayerPlay } from "@tabler/icons-react";
import { type ReactNode, type Ref, useState } from "react";
import type { ApiProblem } from "../../api/client";
import { type EditorHandle, SqlInput } from "../../components/editor/editor";
import classes from "./sql.module.css";

/** The statement as text. Ctrl+Enter runs it. */
export function Editor(props: {
  handle: Ref<EditorHandle>;
  text: string;
  onText: (text: string) => void;
  onRun: () => void;
  onStop: () => void;
  running: boolean;
  problem: ApiProblem | null;
  /** The statement that the problem is about. */
  ran: string;
}): ReactNode {
  const { handle, text, onText, onRun, onStop, running, problem, ran } = props;
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
  const position = problem === null || text !== ran ? null : problem.position;
  return (
    <div className={classes["editor"]}>
      <SqlInput
        handle={handle}
        value={text}
        onChange={onText}
        onRun={onRun}
        label="SQL statement"
        multiline
        search
        mark={problem !== null && position !== null ? { position, message: problem.message } : null}
      />
      <div className={classes["actions"]}>
        {running ? (
          <Button color="gray" onClick={onStop}>
            Stop
          </Button>
        ) : (
          <Button leftSection={<IconPlayerPlay size={14} />} onClick={onRun} disabled={text.trim() === ""}>
            Run
          </Button>
        )}
        <Button variant="default" onClick={() => void format()} disabled={text.trim() === ""}>
          Format
        </Button>
        <span className="dim">
          <Kbd size="xs">Ctrl</Kbd> <Kbd size="xs">Enter</Kbd> runs it, <Kbd size="xs">Tab</Kbd> takes a completion
        </span>
        {formatFailed && <span className="warn-text">It cannot be formatted: it is no complete statement.</span>}
      </div>
    </div>
  );
}
