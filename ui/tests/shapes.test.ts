import { describe, expect, it } from "vitest";

import { packedCounts, pixelsOf, shapesOf } from "../src/lib/shapes";

describe("shapes", () => {
  const box = { _type: "bounding_box", x: 1, y: 2, width: 3, height: 4 };

  it("are found wherever they lie, with their class and whose they are", () => {
    const row = { image: { _type: "image", href: "/api/x" }, found: [{ label: "cat", box }] };
    expect(shapesOf(row, "input")).toEqual([{ kind: "box", x: 1, y: 2, width: 3, height: 4, label: "cat", source: "input" }]);
    expect(shapesOf({ _type: "polygon", points: [[0, 0], [4, 0], [4, 2]] })[0]).toMatchObject({ kind: "polygon", points: [[0, 0], [4, 0], [4, 2]] });
    expect(shapesOf({ _type: "list", items: [box, box], length: 900 })).toHaveLength(2);
  });

  it("of COCO are the outline where there is one, else the box", () => {
    const coco = { _type: "coco_object_annotation", category_id: 3, bbox: [1, 2, 3, 4] };
    expect(shapesOf({ ...coco, segmentation: [[0, 0, 4, 0, 4, 4]] })[0]).toMatchObject({ kind: "polygon", label: "3", points: [[0, 0], [4, 0], [4, 4]] });
    expect(shapesOf({ ...coco, segmentation: null })[0]).toMatchObject({ kind: "box", width: 3 });
    expect(shapesOf({ ...coco, segmentation: { size: [2, 2], counts: [1, 3] } })[0]).toMatchObject({ kind: "mask", label: "3" });
  });

  it("are masks where an image is one, and only from this server", () => {
    expect(shapesOf({ "input/mask": { _type: "image", as_mask: true, href: "/api/m" } })[0]).toMatchObject({ kind: "mask", label: "mask", href: "/api/m" });
    expect(shapesOf({ mask: { _type: "image", as_mask: true, href: "https://elsewhere.example/m" } })).toEqual([]);
  });

  it("of runs go down the columns", () => {
    expect([...pixelsOf({ rows: 2, columns: 3, counts: [1, 2, 3] })]).toEqual([0, 1, 0, 1, 0, 0]);
  });

  it("are unpacked as pycocotools packs them", () => {
    expect(packedCounts("04")).toEqual([0, 4]);
    expect(packedCounts("1011")).toEqual([1, 0, 1, 1]); // the fourth is told as its difference to the second
    expect(packedCounts("PT10")).toEqual([128 + 1024, 0]);
  });
});
