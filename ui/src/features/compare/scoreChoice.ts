/** Which columns of runs are scores that a threshold can be moved over, and which column says what is true of their rows. */

import type { TableView } from "../../api/schema";
import { first } from "../report/heldColumns";

export interface ScoreChoice {
  table: string;
  score: string;
  /** `TABLE.COLUMN`, as it stands in the address. */
  name: string;
}

const INNER = /^_|^id$|duration|(^|\/)index$/i;
const NO_SCORE = /^(roc_auc\/|confusion_matrix|labels$|errors$|retried_errors$)/;
const TRUTH = [/(^|\/)label$/i, /(^|\/)(labels?|target|class|y|ground_?truth|answer|expected|truth)$/i, /label|target|class|truth|correct/i];
const LIKELY = [/prob/i, /score|confidence|logit|similarity/i];

/** Numbers with a point and lists of them, likely scores first. */
export function scoreChoices(tables: readonly TableView[]): ScoreChoice[] {
  const found = tables
    .filter((table) => !NO_SCORE.test(table.name))
    .flatMap((table) =>
      table.columns
        .filter((each) => /^(float|list<float>)$/.test(each.kind) && !INNER.test(each.name))
        .map((each) => ({ table: table.name, score: each.name, name: `${table.name}.${each.name}` })),
    );
  const rank = (each: ScoreChoice): number => {
    const at = LIKELY.findIndex((one) => one.test(each.score));
    return at < 0 ? LIKELY.length : at;
  };
  return found.sort((a, b) => rank(a) - rank(b));
}

/** Columns of a table that may hold the true class. */
export function truthChoices(table: TableView | undefined, inputs: readonly string[]): string[] {
  const own = table?.columns.filter((each) => /^(int|str|bool)$/.test(each.kind) && !INNER.test(each.name)).map((each) => each.name) ?? [];
  return table?.name === "results" ? [...inputs, ...own.filter((each) => !inputs.includes(each))] : own;
}

export function likelyTruth(names: readonly string[]): string {
  return first(names, TRUTH);
}
