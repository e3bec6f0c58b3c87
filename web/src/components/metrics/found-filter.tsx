import { TextInput } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./found-filter.module.css";

/** Narrows a list to what contains a text, and by what else stands beside it. */
export function FoundFilter(props: {
  label: string;
  text: string | undefined;
  change: (text: string | undefined) => void;
  children: ReactNode;
}): ReactNode {
  const { label, text = "", change, children } = props;
  return (
    <div className={classes["filter"]}>
      <TextInput
        data-page-search
        aria-label={label}
        placeholder={label}
        value={text}
        onChange={(event) => change(event.currentTarget.value === "" ? undefined : event.currentTarget.value)}
      />
      {children}
    </div>
  );
}
