import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Empty } from "../../components/view/empty";
import { Page } from "../../components/view/page";

export function MissingPage(): ReactNode {
  return (
    <Page title="Not found">
      <Empty title="There is no page at this address">
        <Link to="/">Go to the overview</Link>
      </Empty>
    </Page>
  );
}
