import { describe, expect, it } from "vitest";

import { confusionsOf } from "../src/features/report/confusions";

describe("confusion matrices of a report", () => {
  it("show the counts of the server, whatever shares were logged beside them", () => {
    const report = {
      confusions: [{ labels: ["cat", "dog"], slice: "", counts: [[3, 1], [0, 0]] }],
      confusion_matrix: { labels: ["cat", "dog"], binarylabel: [{ id: 0, "0": 0.75, "1": 0.25 }, { id: 1, "0": 0, "1": 0 }] },
    };
    expect(confusionsOf(report)).toEqual([{ labels: ["cat", "dog"], slice: "", counts: [[3, 1], [0, 0]], shares: [[0.75, 0.25], [0, 0]] }]);
  });

  it("are one per step where several steps name metrics", () => {
    const report = { confusions: ["step=a", "step=b"].map((slice) => ({ labels: ["x"], slice, counts: [[1]] })) };
    expect(confusionsOf(report).map((each) => each.slice)).toEqual(["step=a", "step=b"]);
  });

  it("have no counts where only shares were logged", () => {
    const report = { confusion_matrix: { labels: ["cat", "dog"], binarylabel: [{ id: 0, "0": 0.5, "1": 0.1 }, { id: 1, "0": 0, "1": 0.4 }] } };
    expect(confusionsOf(report)).toEqual([{ labels: ["cat", "dog"], slice: "", counts: null, shares: [[0.5, 0.1], [0, 0.4]] }]);
  });

  it("are none where a report has none", () => {
    expect(confusionsOf({ summary: { accuracy: 1 } })).toEqual([]);
  });
});
