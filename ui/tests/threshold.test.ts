import { describe, expect, it } from "vitest";

import { barsOf, called, figures, nearestPlace, placeOf, prOfRoc, prPoints, reached, rocPoints, stopsOf } from "../src/lib/threshold";
import { scoreChoices, truthChoices } from "../src/features/compare/scoreChoice";

const COUNTED = { positive: [0, 1, 3], negative: [1, 4, 1] }; // two thresholds: below both, from the first on, from the second on

describe("a threshold", () => {
  it("gives the figures of the rows that reach it", () => {
    const rows = reached(COUNTED);
    expect(called(rows, 0)).toEqual({ tp: 4, fp: 5, fn: 0, tn: 1 });
    expect(called(rows, 1)).toEqual({ tp: 3, fp: 1, fn: 1, tn: 5 });
    const found = figures(called(rows, 1));
    expect(found.precision).toBe(0.75);
    expect(found.recall).toBe(0.75);
    expect(found.f1).toBe(0.75);
    expect(found.accuracy).toBe(0.8);
    expect(found.mcc).toBeCloseTo(14 / 24, 10);
    expect(figures({ tp: 0, fp: 0, fn: 3, tn: 2 }).precision).toBeNaN();
  });

  it("makes curves from one end to the other", () => {
    const rows = reached(COUNTED);
    expect(rocPoints(rows)).toEqual([[0, 0], [1 / 6, 3 / 4], [5 / 6, 1], [1, 1]]);
    expect(prPoints(rows)).toEqual([[3 / 4, 3 / 4], [1, 4 / 9]]);
    expect(prOfRoc([0, 0.5, 1], [0, 1, 1], 10, 10)).toEqual([[1, 2 / 3], [1, 0.5]]);
  });

  it("is found by its nearest number, and its counts add up in bars", () => {
    expect(nearestPlace([0, 0.25, 1], 0.3)).toBe(1);
    expect([-1, 0.25, 0.3, 2].map((each) => placeOf([0, 0.25, 1], each))).toEqual([0, 1, 2, 3]);
    expect(called(reached(COUNTED), 2)).toEqual({ tp: 0, fp: 0, fn: 4, tn: 6 });
    const stops = stopsOf([0, 0.3333, 1], true);
    expect([stops.length, stops[0], stops[250], stops.at(-1)]).toEqual([501, 0, 0.5, 1]);
    expect(stopsOf([0, 0.5, 1], false)).toEqual([0, 0.5, 1]);
    const bars = barsOf([0, 0.25, 0.5, 1], { positive: [0, 1, 2, 3, 4], negative: [0, 0, 0, 0, 9] }, 2);
    expect(bars.map((each) => [each.positive, each.negative])).toEqual([[3, 0], [7, 9]]);
  });
});

describe("scores", () => {
  const columns = (...names: [string, string][]) => names.map(([name, kind]) => ({ name, kind }));
  const results = { name: "results", rows: 3, columns: columns(["id", "str"], ["output/label", "int"], ["output/probabilities", "list<float>"], ["duration_seconds", "float"]) };
  const graded = { name: "graded", rows: 3, columns: columns(["id", "str"], ["length", "float"], ["correct", "bool"]) };

  it("are numbers with a point, the likeliest first", () => {
    expect(scoreChoices([graded, results, { name: "roc_auc/3", rows: 1, columns: columns(["fpr", "float"]) }]).map((each) => each.name)).toEqual(["results.output/probabilities", "graded.length"]);
  });

  it("have their truth among the inputs, or in their own table", () => {
    expect(truthChoices(results, ["input/label"])).toEqual(["input/label", "output/label"]);
    expect(truthChoices(graded, ["input/label"])).toEqual(["correct"]);
  });
});
