/** Figures at a threshold, from counts of rows between thresholds. A row is called positive where its score reaches the threshold. */

export interface Counted {
  /** Rows by place: below the first threshold, then from each threshold on up to the next. */
  positive: readonly number[];
  negative: readonly number[];
}

/** Rows at and above each threshold, and above the last: one number per threshold, and 0. */
export interface Reached {
  positive: number[];
  negative: number[];
  positives: number;
  negatives: number;
}

export interface Called {
  tp: number;
  fp: number;
  fn: number;
  tn: number;
}

export function reached(counted: Counted): Reached {
  const sums = (counts: readonly number[]): number[] => {
    const found = new Array<number>(counts.length).fill(0);
    for (let at = counts.length - 2; at >= 0; at -= 1) found[at] = (found[at + 1] ?? 0) + (counts[at + 1] ?? 0);
    return found;
  };
  const total = (counts: readonly number[]): number => counts.reduce((sum, each) => sum + each, 0);
  return { positive: sums(counted.positive), negative: sums(counted.negative), positives: total(counted.positive), negatives: total(counted.negative) };
}

/** What the threshold of this place makes of the rows. */
export function called(rows: Reached, place: number): Called {
  const [tp, fp] = [rows.positive[place] ?? 0, rows.negative[place] ?? 0];
  return { tp, fp, fn: rows.positives - tp, tn: rows.negatives - fp };
}

/** Shares that follow; NaN where nothing is divided by nothing. */
export function figures({ tp, fp, fn, tn }: Called): Record<"precision" | "recall" | "f1" | "accuracy" | "specificity" | "mcc", number> {
  const root = Math.sqrt(tp + fp) * Math.sqrt(tp + fn) * Math.sqrt(tn + fp) * Math.sqrt(tn + fn);
  return {
    precision: tp / (tp + fp),
    recall: tp / (tp + fn),
    f1: (2 * tp) / (2 * tp + fp + fn),
    accuracy: (tp + tn) / (tp + fp + fn + tn),
    specificity: tn / (tn + fp),
    mcc: (tp * tn - fp * fn) / root,
  };
}

export type Point = [number, number];

/** False and true positive rate from the highest threshold to the lowest, with both ends. */
export function rocPoints(rows: Reached): Point[] {
  const found: Point[] = [];
  for (let place = rows.positive.length - 1; place >= 0; place -= 1) {
    const at = called(rows, place);
    found.push([at.fp / rows.negatives, at.tp / rows.positives]);
  }
  found.push([1, 1]);
  return found.filter(areNumbers);
}

/** Recall and precision from the highest threshold to the lowest. */
export function prPoints(rows: Reached): Point[] {
  const found: Point[] = [];
  for (let place = rows.positive.length - 2; place >= 0; place -= 1) {
    const at = figures(called(rows, place));
    found.push([at.recall, at.precision]);
  }
  return found.filter(areNumbers);
}

/** Of two curves that were logged as rates: recall and precision, where it is known how many rows are positive and how many are not. */
export function prOfRoc(fpr: readonly number[], tpr: readonly number[], positives: number, negatives: number): Point[] {
  return fpr.map((each, at): Point => [tpr[at] ?? Number.NaN, ((tpr[at] ?? 0) * positives) / ((tpr[at] ?? 0) * positives + each * negatives)]).filter(areNumbers);
}

function areNumbers([x, y]: Point): boolean {
  return Number.isFinite(x) && Number.isFinite(y);
}

/** The place of the first threshold that is at least a number: both call the same rows, where no score lies between them. */
export function placeOf(thresholds: readonly number[], value: number): number {
  let [low, high] = [0, thresholds.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((thresholds[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

const STOPS = 500;

/** Round numbers over which a threshold is moved, where every score is known; else the thresholds themselves, at which counts are exact. */
export function stopsOf(thresholds: readonly number[], areScores: boolean): number[] {
  const [low, high] = [thresholds[0] ?? 0, thresholds.at(-1) ?? 0];
  if (!areScores || low === high) return [...thresholds];
  const power = Math.floor(Math.log10((high - low) / STOPS));
  const step = ([1, 2, 5].find((each) => each * 10 ** power * STOPS >= (high - low) * (1 - 1e-9)) ?? 10) * 10 ** power;
  const first = Math.floor(low / step);
  return Array.from({ length: Math.ceil(high / step) - first + 1 }, (_, at) => Number(((first + at) * step).toFixed(Math.max(0, -power))));
}

/** The place of the number that is nearest to another. */
export function nearestPlace(numbers: readonly number[], value: number): number {
  let best = 0;
  numbers.forEach((each, place) => {
    if (Math.abs(each - value) < Math.abs((numbers[best] ?? 0) - value)) best = place;
  });
  return best;
}

export interface Bar {
  low: number;
  high: number;
  positive: number;
  negative: number;
}

/** Counts between thresholds, put together to at most so many bars of one width. The first holds what lies below. */
export function barsOf(thresholds: readonly number[], counted: Counted, most: number): Bar[] {
  const [low, high] = [thresholds[0] ?? 0, thresholds.at(-1) ?? 1];
  const count = Math.max(1, Math.min(most, thresholds.length));
  const width = (high - low) / count || 1;
  const bars = Array.from({ length: count }, (_, at): Bar => ({ low: low + at * width, high: low + (at + 1) * width, positive: 0, negative: 0 }));
  counted.positive.forEach((positive, place) => {
    const start = thresholds[Math.max(0, place - 1)] ?? low;
    const bar = bars[Math.min(count - 1, Math.max(0, Math.floor((start - low) / width + 1e-9)))];
    if (!bar) return;
    bar.positive += positive;
    bar.negative += counted.negative[place] ?? 0;
  });
  return bars;
}
