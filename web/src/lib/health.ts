/** How bad a service or a call is; the same limits on every page. */
export type Tone = "calm" | "warn" | "error";

const ERROR_SHARE = 0.05;
const WARN_SHARE = 0.01;
/** Fewer requests than this say little about a share. */
const FEW = 20;

export function toneOf(figures: { request_count: number; error_count: number; error_rate: number }): Tone {
  if (figures.error_count === 0) return "calm";
  if (figures.error_rate >= ERROR_SHARE && figures.request_count >= FEW) return "error";
  return figures.error_rate >= WARN_SHARE || figures.request_count < FEW ? "warn" : "calm";
}
