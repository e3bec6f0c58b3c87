/** Where a point lies within a chart, in pixels from its upper left corner; null where that is outside. */
export type Place = (timeMs: number, value: number) => { x: number; y: number } | null;
