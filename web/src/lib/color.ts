/** Colours that mean the same everywhere: a service has one, whatever page it is on. */

/** Hues that are told apart; those near the red and amber that mean trouble are too pale to be taken for them. */
const HUES = [245, 165, 305, 110, 205, 275, 75, 335] as const;

function hash(text: string): number {
  let h = 0x811c9f13;
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return (h ^ (h >>> 12)) >>> 0;
}

export type Scheme = "light" | "dark";

/** Hues of lines that have no colour of their own, in the order in which they are given; neighbours are far apart. */
const LINE_HUES = [230, 65, 155, 300, 15, 195, 110, 265, 345, 40] as const;

/** The colour of the n-th line of a chart. */
export function lineColor(index: number, scheme: Scheme): string {
  const hue = LINE_HUES[index % LINE_HUES.length] ?? 230;
  const deep = Math.floor(index / LINE_HUES.length) % 2 === 1;
  return scheme === "dark" ? `oklch(${deep ? 62 : 74}% 0.1 ${hue})` : `oklch(${deep ? 42 : 56}% 0.115 ${hue})`;
}

/** The colour of a service, calm enough to fill a bar with. */
export function serviceColor(service: string, scheme: Scheme): string {
  const code = hash(service);
  const hue = HUES[code % HUES.length] ?? 215;
  const deep = (code >>> 8) % 2 === 1;
  if (scheme === "dark") return `oklch(${deep ? 62 : 72}% 0.085 ${hue})`;
  return `oklch(${deep ? 50 : 61}% 0.09 ${hue})`;
}
