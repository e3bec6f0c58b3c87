import type { ReactNode } from "react";
import { Page } from "../../components/view/page";

export function LogsPage(): ReactNode {
  return <Page title="Logs">{null}</Page>;
}
