import type { ReactNode } from "react";
import { Page } from "../../components/view/page";

export function ComparePage(): ReactNode {
  return <Page title="Compare">{null}</Page>;
}
