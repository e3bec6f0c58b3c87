import type { ReactNode } from "react";
import classes from "./view.module.css";

/** A titled part of a page. */
export function Panel(props: {
  title?: ReactNode;
  /** What stands at the right of the title. */
  side?: ReactNode;
  children: ReactNode;
  /** Without inner distance, for tables and charts that go to the edge. */
  flush?: boolean;
  className?: string;
  label?: string;
}): ReactNode {
  const { title, side, children, flush = false, className, label } = props;
  return (
    <section className={`${classes["panel"]} ${className ?? ""}`} aria-label={label}>
      {(title !== undefined || side !== undefined) && (
        <header className={classes["panelHead"]}>
          <h2>{title}</h2>
          <div className={classes["panelSide"]}>{side}</div>
        </header>
      )}
      <div className={flush ? undefined : classes["panelBody"]}>{children}</div>
    </section>
  );
}
