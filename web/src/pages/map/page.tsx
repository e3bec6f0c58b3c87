import type { ReactNode } from "react";
import { Page } from "../../components/view/page";

export function MapPage(): ReactNode {
  return <Page title="Map">{null}</Page>;
}
