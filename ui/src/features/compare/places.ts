/** Rows by their place, where the ids that an evaluation logged do nothing but count its rows. */

import type { ComparisonView } from "../../api/schema";
import { useIds, useTables } from "../../api/tables";
import { asText, type Cell } from "../../lib/cell";

/**
 * Says which place in `results` a logged id stands for. Only where all of this holds: rows are paired by logged ids, these are whole numbers
 * without a gap from 0 or 1, and there are as many of them as rows. Anything else gives null: a guess would show another row's input.
 */
export function usePlaces(view: ComparisonView, run: string): (id: string | number) => number | null {
  const metric = asText((view.metrics[0] as Record<string, Cell> | undefined)?.name);
  const table = metric.slice(0, metric.lastIndexOf("."));
  const isLogged = table !== "" && table !== "results" && view.paired_by.includes("logged");
  const ids = useIds(run, table, isLogged).data;
  const results = useTables(run).data?.find((each) => each.name === "results");
  if (!ids || !results || typeof ids.first !== "number" || typeof ids.last !== "number") return nowhere;
  const { first, last, rows } = ids;
  const isCount = (first === 0 || first === 1) && last - first + 1 === rows && rows === results.rows;
  return isCount ? (id) => (typeof id === "number" ? id - first : null) : nowhere;
}

function nowhere(): null {
  return null;
}
