import { ActionIcon, Button } from "@mantine/core";
import { IconCopy, IconEye, IconEyeOff, IconX } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { ApiProblem } from "../../api/client";
import type { Metadata } from "../../api/prometheus";
import { PromqlInput } from "../../components/editor/editor";
import { Problem } from "../../components/view/problem";
import { hintFor } from "../../lib/promql";
import { useTimeRange } from "../../state/time-range";
import classes from "./explore.module.css";
import { letterOf } from "./results";

/** What an answer said beside its data. */
export interface Told {
  problem: ApiProblem | null;
  warnings: readonly string[];
  infos: readonly string[];
}

/** One expression: its input, what can be done with it, and what the server said of it. */
export function QueryRow(props: {
  index: number;
  text: string;
  /** What ran last; problems are about it. */
  ran: string;
  told: Told;
  metadata: Metadata;
  off: boolean;
  alone: boolean;
  onText: (text: string) => void;
  onRun: (text?: string) => void;
  onOff: () => void;
  onCopy: () => void;
  onRemove: () => void;
}): ReactNode {
  const { index, text, ran, told, metadata, off, alone, onText, onRun, onOff, onCopy, onRemove } = props;
  const range = useTimeRange();
  const letter = letterOf(index);
  const current = text === ran;
  const hint = current && ran !== "" ? hintFor(ran, metadata, range.toMs - range.fromMs) : null;
  const { problem } = told;
  const mark = current && problem !== null && problem.position !== null ? { position: problem.position, message: problem.message } : null;
  return (
    <li className={classes["query"]} data-off={off || undefined} aria-label={`Query ${letter}`}>
      <span className={classes["letter"]} aria-hidden>
        {letter}
      </span>
      <div className={classes["input"]}>
        <PromqlInput
          value={text}
          onChange={onText}
          onRun={() => onRun()}
          label={`Expression ${letter}`}
          placeholder="Expression: press Enter to run, Ctrl Space to complete"
          mark={mark}
          search={index === 0}
        />
        {current && problem !== null && <Problem error={problem} />}
        {current &&
          [...told.warnings, ...told.infos].map((text) => (
            <p key={text} className={classes["told"]}>
              {text}
            </p>
          ))}
        {hint && (
          <p className={classes["told"]}>
            {hint.text}{" "}
            <Button size="compact-xs" variant="light" onClick={() => onRun(hint.better)} title={hint.better}>
              <span className={classes["better"]}>Use {hint.better}</span>
            </Button>
          </p>
        )}
      </div>
      <div className={classes["queryActions"]}>
        <ActionIcon title={off ? "Show" : "Leave out"} aria-label={`${off ? "Show" : "Leave out"} query ${letter}`} aria-pressed={off} onClick={onOff}>
          {off ? <IconEyeOff size={16} /> : <IconEye size={16} />}
        </ActionIcon>
        <ActionIcon title="Duplicate" aria-label={`Duplicate query ${letter}`} onClick={onCopy}>
          <IconCopy size={16} />
        </ActionIcon>
        <ActionIcon title="Remove" aria-label={`Remove query ${letter}`} onClick={onRemove} disabled={alone && text === ""}>
          <IconX size={16} />
        </ActionIcon>
      </div>
    </li>
  );
}
