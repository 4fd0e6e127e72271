/** Which columns hold the true and the predicted class of a row: guessed from their names, corrected by the user, and remembered. */

import { useRowPages } from "../../api/tables";
import { useKept } from "../kept";

const TRUTH = [/(^|\/)label$/i, /(^|\/)(labels?|target|class|y|ground_?truth|answer|expected|truth)$/i, /label|target|class|truth/i];
const PREDICTED = [/^output\/(label|prediction|predicted|class|pred)$/i, /^output$/i, /^output\/.*(label|pred|class)/i];

export interface HeldColumns {
  truth: string;
  predicted: string;
  inputs: string[];
  outputs: string[];
  setTruth: (name: string) => void;
  setPredicted: (name: string) => void;
}

export function useHeldColumns(job: string, own: readonly string[]): HeldColumns {
  const [chosen, setChosen] = useKept<{ truth?: string; predicted?: string }>(`held:${job}`, {});
  // Inputs are joined to the rows when they are read, and are not among the columns of the table itself.
  const page = useRowPages(`/jobs/${encodeURIComponent(job)}/rows`, ["job", job], { table: "results", where: "", sort: "", descending: false }, [0])[0];
  const names = [...new Set([...(page?.data?.columns.map((each) => each.name) ?? []), ...own])];
  const inputs = names.filter((each) => each.startsWith("input"));
  const outputs = names.filter((each) => each.startsWith("output"));
  return {
    inputs,
    outputs,
    truth: chosen.truth ?? first(inputs, TRUTH),
    predicted: chosen.predicted ?? first(outputs, PREDICTED),
    setTruth: (truth) => setChosen({ ...chosen, truth }),
    setPredicted: (predicted) => setChosen({ ...chosen, predicted }),
  };
}

export function first(names: readonly string[], patterns: readonly RegExp[]): string {
  for (const pattern of patterns) {
    const found = names.find((each) => pattern.test(each));
    if (found !== undefined) return found;
  }
  return "";
}
