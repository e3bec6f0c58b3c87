import type { ReactNode } from "react";
import { Page } from "../../components/view/page";

export function OverviewPage(): ReactNode {
  return <Page title="Overview">{null}</Page>;
}
