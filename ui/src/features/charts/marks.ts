/** Which rows a mark of a chart stands for, as a filter. */

import { both, column, equals } from "../../lib/where";

/**
 * The rows of what was pressed; empty where it stands for none, as an axis does.
 *
 * A bar of a histogram over numbers stands for a range: Vega-Lite names its ends after the bin, as `bin_maxbins_30_score` and `…_end`.
 * The last bar holds the largest value also where that is its end, and a value that is an end but for the last digit of a float is taken for it.
 */
export function rowsOfMark(columns: readonly string[], x: string, datum: Record<string, unknown>, values: readonly number[]): string {
  const from = Object.keys(datum).find((name) => name.startsWith("bin_") && `${name}_end` in datum);
  const [low, high] = from === undefined ? [] : [datum[from], datum[`${from}_end`]];
  const range = typeof low === "number" && typeof high === "number" ? [between(x, low, high, values)] : [];
  const own = columns.filter((each) => each in datum && typeof datum[each] !== "object").map((each) => equals(each, datum[each]));
  return [...range, ...own].reduce(both, "");
}

function between(x: string, low: number, high: number, values: readonly number[]): string {
  const least = (high - low) * 1e-13;
  const end = (at: number): number => values.reduce((found, each) => (each < found && at - each <= least ? each : found), at);
  const isLast = values.every((each) => !(each > high));
  return `${column(x)} >= ${end(low)} and ${column(x)} ${isLast ? "<=" : "<"} ${isLast ? high : end(high)}`;
}
