/** Colours that mean the same everywhere: a service has one, whatever page it is on. */

/** Hues at even perceptual distance, none of them the red and amber that mean trouble. */
const HUES = [225, 165, 300, 135, 195, 265, 330, 150, 245, 180, 285, 120, 210, 315] as const;

function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return (h ^ (h >>> 12)) >>> 0;
}

export type Scheme = "light" | "dark";

/** The colour of a service, calm enough to fill a bar with. */
export function serviceColor(service: string, scheme: Scheme): string {
  const code = hash(service);
  const hue = HUES[code % HUES.length] ?? 215;
  const shift = ((code >>> 8) % 3) * 7 - 7;
  return scheme === "dark" ? `oklch(${66 + shift / 2}% 0.085 ${hue})` : `oklch(${60 + shift / 2}% 0.095 ${hue})`;
}
