import { ActionIcon, CopyButton } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import type { ReactNode } from "react";

/** Copies a text; `what` says which, for whoever cannot see the button's place. */
export function Copy({ value, what, size = 22 }: { value: string; what: string; size?: number }): ReactNode {
  return (
    <CopyButton value={value} timeout={1500}>
      {({ copied, copy }) => (
        <ActionIcon title={copied ? "Copied" : `Copy ${what}`} size={size} onClick={copy} aria-label={`Copy ${what}`}>
          {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
        </ActionIcon>
      )}
    </CopyButton>
  );
}
