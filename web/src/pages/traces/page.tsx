import type { ReactNode } from "react";
import { Page } from "../../components/view/page";

export function TracesPage(): ReactNode {
  return <Page title="Traces">{null}</Page>;
}
