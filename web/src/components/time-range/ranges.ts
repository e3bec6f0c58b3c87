/** Ranges that people ask for by name: start, and what it is called. */
export const RANGES: readonly [string, string][] = [
  ["now-5m", "Last 5 minutes"],
  ["now-15m", "Last 15 minutes"],
  ["now-30m", "Last 30 minutes"],
  ["now-1h", "Last hour"],
  ["now-3h", "Last 3 hours"],
  ["now-6h", "Last 6 hours"],
  ["now-12h", "Last 12 hours"],
  ["now-1d", "Last day"],
  ["now-2d", "Last 2 days"],
  ["now-7d", "Last 7 days"],
  ["now-30d", "Last 30 days"],
];

export const REFRESHES: readonly [number, string][] = [
  [0, "Off"],
  [5, "5 s"],
  [10, "10 s"],
  [30, "30 s"],
  [60, "1 min"],
  [300, "5 min"],
];

export const COMPARISONS: readonly [string, string][] = [
  ["", "Nothing"],
  ["1h", "An hour before"],
  ["1d", "The day before"],
  ["7d", "The week before"],
];
