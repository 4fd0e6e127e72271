import { describe, expect, it } from "vitest";

import { address } from "../src/api/client";
import { isLowerBetter, preferredScore, rankMetrics } from "../src/features/jobs/metrics";
import { imageOf } from "../src/features/report/imageOf";
import { first } from "../src/features/report/heldColumns";
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

describe("columns of a class", () => {
  it("are guessed by their names, the likeliest first", () => { expect(first(["input/text", "input/label"], [/label$/, /text/])).toBe("input/label"); });
  it("are none where no name fits", () => { expect(first(["input/text"], [/label/])).toBe(""); });
});
