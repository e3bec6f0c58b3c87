import type { ReactNode } from "react";
import { Page } from "../../components/view/page";

export function ServicePage(): ReactNode {
  return <Page title="Service">{null}</Page>;
}
