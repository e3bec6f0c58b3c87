import type { ReactNode } from "react";
import { Page } from "../../components/view/page";

export function TracePage(): ReactNode {
  return <Page title="Trace">{null}</Page>;
}
