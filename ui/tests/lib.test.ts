import { describe, expect, it } from "vitest";

import { asNumber, asNumbers, asText, hrefOf, kindOf, plain, type Cell } from "../src/lib/cell";
import { tokens } from "../src/lib/code";
import { fuzzyScore, fuzzySort } from "../src/lib/fuzzy";
import { layoutGraph } from "../src/lib/graph";
import { datasetRow } from "../src/lib/rowId";
import { diffWords } from "../src/lib/textDiff";
import { grown, type Kept } from "../src/lib/logWindow";
import { looksLike } from "../src/lib/looks";
import { both, column, equals, labelLiteral, literal, searched } from "../src/lib/where";

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
    expect([labelLiteral("7", "str"), labelLiteral("7", "int"), labelLiteral("True", "bool"), labelLiteral("True", "str")]).toEqual(['"7"', "7", "true", '"True"']);
    expect(equals("a b", "x")).toBe('`a b` == "x"');
    expect(both("a == 1 or b == 2", "c == 3")).toBe("(a == 1 or b == 2) and (c == 3)");
    expect(both("", "c == 3")).toBe("c == 3");
  });
});

describe("what was typed", () => {
  const columns = [{ name: "id", kind: "str" }, { name: "output", kind: "media:Text" }, { name: "n", kind: "int" }, { name: "is right", kind: "bool" }];

  it("is looked for in all columns of text where it is no expression", () => {
    expect(searched("a whale in the sea", columns)).toBe('id contains "a whale in the sea" or output contains "a whale in the sea"');
    expect(searched("isn't", columns.slice(0, 1))).toBe('id contains "isn\'t"');
    expect(searched("'a text'", columns)).toBe("'a text'"); // a quote may begin a text
  });

  it("is an expression where it can be one", () => {
    for (const each of ["output == 3", "id contains x", "not n", "n is null", "n in [1, 2]", "IS RIGHT", "", "n < 3"]) expect(searched(each, columns)).toBe(each);
    expect(searched("whale", [{ name: "n", kind: "int" }])).toBe("whale"); // the server says what is wrong with it
  });
});

describe("a text", () => {
  it("is shown as JSON or code where it looks like it", () => {
    expect(looksLike('{"a": [1, 2]}')).toBe("json");
    expect(looksLike("def add(a, b):\n    return a + b\n")).toBe("code");
    expect(looksLike("function add(a, b) {\n  return a + b;\n}")).toBe("code");
  });

  it("is words otherwise", () => {
    const solved = "She sold 48/2 = 24 clips in May.\nAltogether, she sold 48+24 = 72 clips.\nA: 72";
    expect(looksLike(`class ${"a".repeat(150_000)}\n`.repeat(2))).toBe("words"); // at once
    for (const each of ["", "[not json", "No: it is a mammal.", solved, "for a walk\nwith the dog"]) expect(looksLike(each)).toBe("words");
  });
});

describe("a log", () => {
  const line = (offset: number) => ({ offset, text: `line ${String(offset)}` });
  const read = (from: number, to: number) => ({ lines: Array.from({ length: to - from }, (_, at) => line(from + at)), start: from, end: to, size_bytes: 100 });
  const spans = ({ lines, start, end }: Kept) => [lines[0]?.offset, lines.length, start, end];

  it("is kept in one piece, and what was cut is where it is read on", () => {
    let kept = grown({ lines: [], start: 0, end: 0, size: 0 }, read(90, 100), "all", 15);
    kept = grown(kept, read(80, 90), "before", 15);
    expect(spans(kept)).toEqual([80, 15, 80, 95]); // 95 to 99 were cut, and come again from 95 on
    kept = grown(kept, read(95, 100), "behind", 15);
    expect(spans(kept)).toEqual([85, 15, 85, 100]);
    kept = grown(kept, read(100, 103), "behind", 30);
    expect(spans(kept)).toEqual([85, 18, 85, 103]);
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
