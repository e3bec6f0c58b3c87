import type { ReactNode } from "react";
import { Page } from "../../components/view/page";

export function ServicesPage(): ReactNode {
  return <Page title="Services">{null}</Page>;
}
