import { Switch, TextInput } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./found-filter.module.css";

/** Narrows a list to what contains a text, and to what fails. */
export function FoundFilter(props: {
  label: string;
  search: { q?: string; failing?: true };
  change: (changed: { q?: string; failing?: true }) => void;
}): ReactNode {
  const { label, search, change } = props;
  return (
    <div className={classes["filter"]}>
      <TextInput
        data-page-search
        aria-label={label}
        placeholder={label}
        value={search.q ?? ""}
        onChange={(event) => change({ q: event.currentTarget.value === "" ? undefined : event.currentTarget.value })}
      />
      <Switch
        size="xs"
        label="Failing only"
        checked={search.failing ?? false}
        onChange={(event) => change({ failing: event.currentTarget.checked ? true : undefined })}
      />
    </div>
  );
}
