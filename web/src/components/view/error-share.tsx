import type { ReactNode } from "react";
import { share } from "../../lib/format";
import { toneOf } from "../../lib/health";

/** The share of errors, in the colour of how bad it is. */
export function ErrorShare(props: {
  figures: { request_count: number; error_count: number; error_rate: number };
}): ReactNode {
  const { figures } = props;
  const tone = toneOf(figures);
  return (
    <span
      className={tone === "error" ? "error-text" : tone === "warn" ? "warn-text" : undefined}
      title={`${figures.error_count} of ${figures.request_count}`}
    >
      {share(figures.error_rate)}
    </span>
  );
}
