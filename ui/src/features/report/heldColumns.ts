/** Which columns hold the true and the predicted class of a row: guessed from their names, corrected by the user, and remembered. */

import { useJob } from "../../api/jobs";
import { useRowPages } from "../../api/tables";
import { isObject, typeOf, type Cell, type Row } from "../../lib/cell";
import { useKept } from "../kept";

const TRUTH = [/(^|\/)label$/i, /(^|\/)(labels?|target|class|y|ground_?truth|answer|expected|truth)$/i, /label|target|class|truth/i];
const PREDICTED = [/^output\/(label|prediction|predicted|class|pred)$/i, /^output$/i, /^output\/.*(label|pred|class)/i];

export interface HeldColumns {
  truth: string;
  predicted: string;
  inputs: string[];
  outputs: string[];
  /** Kind of the values of a column; empty where it is unknown. */
  kindOf: (name: string) => string;
  setTruth: (name: string) => void;
  setPredicted: (name: string) => void;
}

export function useHeldColumns(job: string, own: readonly string[]): HeldColumns {
  const [chosen, setChosen] = useKept<{ truth?: string; predicted?: string }>(`held:${job}`, {});
  // Inputs are joined to the rows when they are read, and are not among the columns of the table itself.
  const page = useRowPages(`/jobs/${encodeURIComponent(job)}/rows`, ["job", job], { table: "results", where: "", sort: "", descending: false }, [0])[0];
  const view = useJob(job, job !== "").data;
  const row = page?.data?.items[0] as Row | undefined;
  const names = [...new Set([...(page?.data?.columns.map((each) => each.name) ?? []), ...own])].flatMap((each) => [...within(each, row?.[each]), each]);
  const said = [named(view?.label ?? "", "input", names), named(view?.prediction ?? "", "output", names)];
  const inputs = [...new Set([...names, ...said].filter((each) => each.startsWith("input")))];
  const outputs = [...new Set([...names, ...said].filter((each) => each.startsWith("output")))];
  return {
    inputs,
    outputs,
    kindOf: (name) => page?.data?.columns.find((each) => each.name === name)?.kind ?? kindWithin(name, row),
    truth: chosen.truth ?? (said[0] || first(inputs, TRUTH)),
    predicted: chosen.predicted ?? (said[1] || first(outputs, PREDICTED)),
    setTruth: (truth) => setChosen({ ...chosen, truth }),
    setPredicted: (predicted) => setChosen({ ...chosen, predicted }),
  };
}

/** What lies in an object, as `output/label` in `output`: it is filtered by as columns are. */
function within(name: string, cell: Cell | undefined): string[] {
  return isObject(cell) && typeOf(cell) === "" ? Object.keys(cell).map((field) => `${name}/${field}`) : [];
}

/** Kind of a value within an object of a row, as `output/label` of `output`; empty where it is none. */
function kindWithin(name: string, row: Row | undefined): string {
  const [column = "", ...within] = name.split("/");
  const found = within.reduce<Cell | undefined>((cell, each) => (isObject(cell) ? cell[each] : undefined), row?.[column]);
  return typeof found === "string" ? "str" : typeof found === "boolean" ? "bool" : "";
}

/** The column that metrics name: as it is, or of what went in or came out; empty where they name none, or results are not here yet. */
export function named(name: string, side: "input" | "output", columns: readonly string[]): string {
  if (name === "" || columns.length === 0) return "";
  if (columns.includes(name)) return name;
  return columns.includes(side) || columns.some((each) => each.startsWith(`${side}/`)) ? `${side}/${name}` : "";
}

export function first(names: readonly string[], patterns: readonly RegExp[]): string {
  for (const pattern of patterns) {
    const found = names.find((each) => pattern.test(each));
    if (found !== undefined) return found;
  }
  return "";
}
