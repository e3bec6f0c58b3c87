import type { ReactNode } from "react";
import { Page } from "../../components/view/page";

export function SqlPage(): ReactNode {
  return <Page title="SQL">{null}</Page>;
}
