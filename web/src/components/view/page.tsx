import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";
import classes from "./view.module.css";

/** The frame of a page: its name, what is said beside it, what one can do, and the rest. */
export function Page(props: {
  title: string;
  heading?: ReactNode;
  note?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}): ReactNode {
  const { title, heading, note, actions, children } = props;
  useDocumentTitle(`${title} · Vedette`);
  return (
    <div className={classes["page"]}>
      <div className={classes["pageHead"]}>
        <h1>{heading ?? title}</h1>
        {note !== undefined && <p>{note}</p>}
        {actions !== undefined && <div className={classes["pageActions"]}>{actions}</div>}
      </div>
      {children}
    </div>
  );
}
