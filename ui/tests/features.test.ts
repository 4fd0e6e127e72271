import { describe, expect, it } from "vitest";

import { address } from "../src/api/client";
import { isLowerBetter, preferredScore, rankMetrics } from "../src/features/jobs/metrics";
import { imageOf } from "../src/features/report/imageOf";
import { rowsOfMark } from "../src/features/charts/marks";
import { curvesOf } from "../src/features/report/curvesOf";
import { first, named } from "../src/features/report/heldColumns";
import { versionAddress } from "../src/features/versions/addresses";

describe("metrics", () => {
  it("that most want to see come first, counts last", () => {
    expect(rankMetrics(["summary/n", "summary/log_loss", "summary/macro avg/f1-score", "summary/accuracy"])).toEqual([
      "summary/accuracy",
      "summary/macro avg/f1-score",
      "summary/log_loss",
      "summary/n",
    ]);
  });

  it("say by their name which way is better", () => {
    expect(["log_loss", "ece15", "latency_s", "brier"].every(isLowerBetter)).toBe(true);
    expect(["accuracy", "f1-score", "recall", "precision"].some(isLowerBetter)).toBe(false);
  });

  it("by row are compared by one that scores, and by none that does not", () => {
    expect(preferredScore(["roc_auc/0.fpr", "results.output/label", "graded.correct"])).toBe("graded.correct");
    expect(preferredScore(["roc_auc/0.fpr", "results.output/label"])).toBeUndefined();
    expect(preferredScore(["f1_macro", "graded.correct"])).toBe("f1_macro");
    expect(preferredScore([])).toBeUndefined();
  });
});

describe("the image of containers", () => {
  it("is shown with the beginning of its id, where that is known", () => {
    expect(imageOf({ engine: "podman", image: "eval:1", image_id: "sha256:0123456789abcdef" })).toBe("eval:1, id 0123456789ab");
    expect(imageOf({ engine: "kubernetes", image: "eval:1" })).toBe("eval:1");
    expect(imageOf(undefined)).toBe("");
  });
});

describe("addresses", () => {
  it("leave out what is empty and repeat what are several", () => {
    expect(address("/comparison", { run: ["a", "b"], by: [], cluster: "", margin: undefined, full: false })).toBe("/api/v1/comparison?run=a&run=b&full=false");
  });

  it("of versions come from whole URIs", () => {
    expect(versionAddress("local/project/self/dataset/my set/version/abc")).toBe("/projects/self/datasets/my%20set/abc");
    expect(versionAddress("digits@abc")).toBe("");
  });
});

describe("what is pressed in a chart", () => {
  it("is the rows of a bar, whose end belongs to the last one alone", () => {
    const bar = { bin_maxbins_30_score: 0.9, bin_maxbins_30_score_end: 1, __count: 3 };
    expect(rowsOfMark(["score"], "score", bar, [0.1, 1])).toBe("score >= 0.9 and score <= 1");
    expect(rowsOfMark(["score", "kind"], "score", { ...bar, kind: "a" }, [1.2])).toBe('(score >= 0.9 and score < 1) and (kind == "a")');
  });

  it("is the rows that were counted, also where a float lies beside an end", () => {
    const bar = { bin_score: 0.2, bin_score_end: 0.25 };
    expect(rowsOfMark(["score"], "score", bar, [0.22, 1 - 0.8, 0.9])).toBe("score >= 0.19999999999999996 and score < 0.25");
  });

  it("is the rows of a point, and none of an axis", () => {
    expect(rowsOfMark(["fpr", "a b"], "fpr", { fpr: 0.5, "a b": null }, [])).toBe("fpr == 0.5");
    expect(rowsOfMark(["fpr"], "fpr", { label: "x" }, [])).toBe("");
  });
});

describe("curves of figures", () => {
  it("are read from the report, points without a number left out", () => {
    const curve = { metric: "auroc", kind: "roc", label: "3", slice: "", x: [0, { _type: "number", value: "nan" }, 1], y: [0, 0.5, 1] };
    expect(curvesOf({ curves: [curve, { ...curve, label: "" }] }).map((each) => [each.name, each.points])).toEqual([
      ["class 3", [[0, 0], [1, 1]]],
      ["auroc", [[0, 0], [1, 1]]],
    ]);
    expect(curvesOf({})).toEqual([]);
  });
});

describe("columns of a class", () => {
  it("are guessed by their names, the likeliest first", () => { expect(first(["input/text", "input/label"], [/label$/, /text/])).toBe("input/label"); });
  it("are those that metrics name", () => {
    expect([named("label", "input", ["id", "output", "input/label"]), named("said", "output", ["id", "output"]), named("output/x", "output", ["output/x"])]).toEqual(["input/label", "output/said", "output/x"]);
    expect([named("", "input", ["input/label"]), named("label", "input", [])]).toEqual(["", ""]);
  });
  it("are none where no name fits", () => { expect(first(["input/text"], [/label/])).toBe(""); });
});
