import { describe, expect, it } from "vitest";

import { asNumber, asNumbers, asText, hrefOf, kindOf, plain, type Cell } from "../src/lib/cell";
import { tokens } from "../src/lib/code";
import { fuzzyScore, fuzzySort } from "../src/lib/fuzzy";
import { layoutGraph } from "../src/lib/graph";
import { datasetRow } from "../src/lib/rowId";
import { diffWords } from "../src/lib/textDiff";
import { both, column, equals, labelLiteral, literal } from "../src/lib/where";

describe("cells", () => {
  it("are told apart", () => {
    const cells: Cell[] = [null, true, 3, "x", [1], { a: 1 }, { _type: "image", href: "/api/v1/x" }, { _type: "number", value: "nan" }, { _type: "error", message: "gone" }];
    expect(cells.map(kindOf)).toEqual(["missing", "boolean", "number", "text", "list", "object", "image", "number", "error"]);
    expect(kindOf(undefined)).toBe("missing");
  });

  it("give numbers that JSON cannot hold", () => {
    expect(asNumber({ _type: "number", value: "inf" })).toBe(Infinity);
    expect(asNumber({ _type: "number", value: "-inf" })).toBe(-Infinity);
    expect(asNumber("3")).toBeNaN();
    expect(asText({ _type: "number", value: "9007199254740993" })).toBe("9007199254740993");
  });

  it("that are lists of numbers are known as such", () => {
    expect(asNumbers([0.1, 0.9])).toEqual([0.1, 0.9]);
    expect(asNumbers({ _type: "list", items: [1, 2], length: 900 })).toEqual([1, 2]);
    for (const each of [[1], [1, "2"], [true, false], null, "x"] as Cell[]) expect(asNumbers(each)).toBeNull();
  });

  it("are read from the server that served the page, and from nowhere else", () => {
    expect(hrefOf({ _type: "image", href: "/api/v1/x" })).toBe("/api/v1/x");
    for (const href of ["javascript:alert(1)", "https://elsewhere.example/x", "//elsewhere.example/x"]) expect(hrefOf({ _type: "image", href })).toBe("");
  });

  it("are unwrapped for showing", () => {
    expect(plain({ _type: "dict", items: [[1, "a"]], length: 1 })).toEqual({ 1: "a" });
    expect(plain({ a: { _type: "long_text", value: "begin", length: 9 } })).toEqual({ a: "begin" });
  });
});

describe("filters", () => {
  it("quote what is no plain name", () => {
    expect([column("input/label"), column("f1-score"), column("my column"), column("is")]).toEqual(["input/label", "f1-score", "`my column`", "`is`"]);
    expect([literal(3), literal(true), literal(null), literal('say "hi" \\')]).toEqual(["3", "true", "null", '"say \\"hi\\" \\\\"']);
    expect([labelLiteral("7"), labelLiteral("cat")]).toEqual(["7", '"cat"']);
    expect(equals("a b", "x")).toBe('`a b` == "x"');
    expect(both("a == 1 or b == 2", "c == 3")).toBe("(a == 1 or b == 2) and (c == 3)");
    expect(both("", "c == 3")).toBe("c == 3");
  });
});

describe("text differences", () => {
  it("say what went and what came", () => {
    expect(diffWords("the cat sat", "the dog sat")).toEqual([
      { kind: "same", text: "the " },
      { kind: "removed", text: "cat" },
      { kind: "added", text: "dog" },
      { kind: "same", text: " sat" },
    ]);
  });

  it("put together again give both texts", () => {
    const pairs: [string, string][] = [["", "new"], ["old", ""], ["a b c d", "b c x d e"], ["same", "same"], ["日本語 text", "日本 text."]];
    for (const [before, after] of pairs) {
      const pieces = diffWords(before, after);
      expect(pieces.filter((each) => each.kind !== "added").map((each) => each.text).join("")).toBe(before);
      expect(pieces.filter((each) => each.kind !== "removed").map((each) => each.text).join("")).toBe(after);
    }
  });

  it("of very long texts are shown as replaced", () => {
    const [a, b] = ["a ".repeat(4000), "b ".repeat(4000)];
    expect(diffWords(a, b).map((each) => each.kind)).toEqual(["removed", "added", "same"]);
  });
});

describe("the graph of steps", () => {
  it("puts each step behind the last that it needs", () => {
    const found = layoutGraph([
      { name: "a", needs: [] },
      { name: "b", needs: ["a"] },
      { name: "c", needs: ["a"] },
      { name: "d", needs: ["a", "c"] },
    ]);
    expect(found.nodes.map((each) => [each.name, each.layer, each.place])).toEqual([["a", 0, 0], ["b", 1, 0], ["c", 1, 1], ["d", 2, 0]]);
    expect(found.edges).toHaveLength(4);
    expect([found.layers, found.tallest]).toEqual([3, 2]);
  });

  it("survives needs that are not there, and circles", () => {
    expect(layoutGraph([{ name: "a", needs: ["gone"] }]).edges).toEqual([]);
    expect(layoutGraph([{ name: "a", needs: ["b"] }, { name: "b", needs: ["a"] }]).nodes).toHaveLength(2);
  });
});

describe("ids of rows", () => {
  const uris = ["local/project/self/dataset/digits/version/syrlu6wcx5zfkqul", "local/project/self/dataset/mnist/version/abcdefabcdef9999"];

  it("name the row of the dataset", () => {
    expect(datasetRow("self/digits_#@#_930", uris)).toEqual({ project: "self", name: "digits", version: "syrlu6wcx5zfkqul", key: "930" });
    expect(datasetRow("digits_#@#_930", uris)?.key).toBe("930");
    expect(datasetRow("self/mnist@abcdefabcdef_#@#_a/b_#@#_step", uris)).toMatchObject({ name: "mnist", key: "a/b" });
  });

  it("of anything else name none", () => {
    for (const id of ["4", "self/other_#@#_1", "other/digits_#@#_1", "self/mnist@ffff_#@#_1"]) expect(datasetRow(id, uris)).toBeNull();
  });
});

describe("the palette", () => {
  it("finds letters in their order, the beginnings of words first", () => {
    expect(fuzzyScore("xyz", "evaluations")).toBeNull();
    expect(fuzzySort("mn", ["a long mean", "mnist-softmax", "dark main"], (each) => each)[0]).toBe("mnist-softmax");
    expect(fuzzySort("", ["b", "a"], (each) => each)).toEqual(["b", "a"]);
  });
});

describe("code", () => {
  it("is coloured and nothing of it is lost", () => {
    const code = 'def f(x):  # why\n    return "a" + str(12)\n';
    const found = tokens(code);
    expect(found.map((each) => each.text).join("")).toBe(code);
    expect(found.filter((each) => each.kind === "keyword").map((each) => each.text)).toEqual(["def", "return"]);
    expect(found.find((each) => each.kind === "comment")?.text).toBe("# why");
  });
});
