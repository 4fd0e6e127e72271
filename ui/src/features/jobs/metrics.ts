/** Names of metrics: which are shown first, and which way is better. */

export const SUMMARY = "summary/";

const FIRST = [/^accuracy$/i, /accuracy|exact.?match|pass/i, /f1/i, /auc|map$/i, /precision|recall/i, /bleu|rouge|score/i, /loss|brier|ece|error|perplexity/i];
const LAST = /support|^(n|rows|count|total)$|kind/i;

/** Without what all have in common. */
export function metricTitle(column: string): string {
  return column.startsWith(SUMMARY) ? column.slice(SUMMARY.length) : column;
}

function rank(name: string): number {
  if (LAST.test(name)) return FIRST.length + 1;
  const found = FIRST.findIndex((each) => each.test(name));
  return found < 0 ? FIRST.length : found;
}

/** Metrics in the order in which most want to see them. */
export function rankMetrics(names: readonly string[]): string[] {
  return [...names].sort((a, b) => rank(metricTitle(a)) - rank(metricTitle(b)) || a.length - b.length || a.localeCompare(b));
}

/** Whether less of it is better, as its name says. */
export function isLowerBetter(name: string): boolean {
  return /loss|error|brier|(^|[^a-z])ece|perplexity|hamming|latency|cost|duration|_s$|seconds|\bmae\b|\bmse\b|rmse|\bwer\b|\bcer\b/i.test(name);
}

/** Of scores by row, the one that most want to compare by. */
export function preferredScore(names: readonly string[]): string | undefined {
  const last = (name: string): string => name.split(/[./]/).at(-1) ?? name;
  const [asked] = names;
  if (asked !== undefined && !asked.includes(".")) return asked; // a metric that the evaluations ask for: these come first
  return (
    names.find((each) => /^(is_)?(correct|right|exact_match|passed|hit)$/i.test(last(each))) ??
    names.find((each) => /correct|accuracy|match|score|f1/i.test(last(each))) ??
    names.find((each) => !/^results\.|probab|threshold|fpr|tpr|roc_auc|confusion_matrix|duration|^labels\./i.test(each))
  );
}
