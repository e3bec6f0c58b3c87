import type { ReactNode } from "react";
import classes from "./icon-button.module.css";

export const iconButton = classes["button"] ?? "";

/** A small button beside a value. Tables have a hundred of them, so it is no more than the browser's own. */
export function IconButton(props: {
  label: string;
  title?: string;
  onClick: () => void;
  children: ReactNode;
}): ReactNode {
  const { label, title = label, onClick, children } = props;
  return (
    <button type="button" className={classes["button"]} title={title} aria-label={label} onClick={onClick}>
      {children}
    </button>
  );
}
