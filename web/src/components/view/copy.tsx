import { useClipboard } from "@mantine/hooks";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { IconButton } from "./icon-button";

/** Copies a text; `what` says which, for whoever cannot see the button's place. */
export function Copy({ value, what }: { value: string; what: string }): ReactNode {
  const { copied, copy } = useClipboard({ timeout: 1500 });
  const label = `Copy ${what}`;
  return (
    <IconButton label={label} title={copied ? "Copied" : label} onClick={() => copy(value)}>
      {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
    </IconButton>
  );
}
