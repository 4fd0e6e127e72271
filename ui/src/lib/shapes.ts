/** What is drawn over an image: boxes, polygons, lines, points and masks that lie in the cells of its row. */

import { asNumber, asText, hrefOf, isObject, typeOf, type Cell } from "./cell";

export interface Shape {
  kind: "box" | "polygon" | "line" | "point" | "mask";
  /** Its class, as the cells around it say; empty where none does. */
  label: string;
  /** Whose it is, where several draw over one image; empty otherwise. */
  source: string;
  x: number;
  y: number;
  width: number;
  height: number;
  points?: [number, number][];
  /** Where a mask that is an image is read. */
  href?: string;
  /** Lengths of runs of 0 and 1, down column by column, and rows and columns. */
  runs?: { counts: number[]; rows: number; columns: number };
}

const MEDIA = new Set(["image", "audio", "video"]);

/** Every shape in a cell and below it. */
export function shapesOf(cell: Cell | undefined, source = "", label = "", name = ""): Shape[] {
  if (Array.isArray(cell)) return cell.flatMap((each) => shapesOf(each, source, label, name));
  if (!isObject(cell)) return [];
  const type = typeOf(cell);
  const at = (field: string): number => asNumber(cell[field]);
  const made = (kind: Shape["kind"], rest: Partial<Shape>): Shape => ({ kind, label, source, x: 0, y: 0, width: 0, height: 0, ...rest });
  if (type === "bounding_box") return [made("box", { x: at("x"), y: at("y"), width: at("width"), height: at("height") })];
  if (type === "point") return [made("point", { x: at("x"), y: at("y") })];
  if ((type === "polygon" || type === "line") && Array.isArray(cell.points)) return [made(type, { points: cell.points.map(pair) })];
  if (type === "coco_object_annotation") return cocoShapes(cell, source, label);
  if (type === "image" && cell.as_mask === true && hrefOf(cell) !== "") return [made("mask", { href: hrefOf(cell), label: label || name || "mask" })];
  if (MEDIA.has(type)) return [];
  if (type === "list" || type === "dict") return shapesOf(cell.items, source, label, name);
  const own = asText(cell.label ?? cell.name ?? cell.category ?? cell.class ?? label);
  return Object.entries(cell).flatMap(([field, each]) => shapesOf(each, source, own, field.split("/").at(-1) ?? field));
}

/** The outline of an object where there is one, else its box. */
function cocoShapes(cell: { [name: string]: Cell }, source: string, around: string): Shape[] {
  const label = around || asText(cell.category_id);
  const base = { label, source, x: 0, y: 0, width: 0, height: 0 };
  const { segmentation, bbox } = cell;
  if (isObject(segmentation)) {
    const runs = runsOf(segmentation);
    if (runs) return [{ ...base, kind: "mask", runs }];
  }
  if (Array.isArray(segmentation) && segmentation.length > 0)
    return segmentation.flatMap((each): Shape[] => (Array.isArray(each) ? [{ ...base, kind: "polygon", points: pairs(each.map(asNumber)) }] : []));
  if (!Array.isArray(bbox) || bbox.length < 4) return [];
  const [x = Number.NaN, y = Number.NaN, width = Number.NaN, height = Number.NaN] = bbox.map(asNumber);
  return [{ ...base, kind: "box", x, y, width, height }];
}

function pair(point: Cell): [number, number] {
  if (Array.isArray(point)) return [asNumber(point[0]), asNumber(point[1])];
  return isObject(point) ? [asNumber(point.x), asNumber(point.y)] : [Number.NaN, Number.NaN];
}

function pairs(numbers: readonly number[]): [number, number][] {
  return Array.from({ length: Math.floor(numbers.length / 2) }, (_, at) => [numbers[2 * at] ?? 0, numbers[2 * at + 1] ?? 0]);
}

function runsOf(cell: { [name: string]: Cell }): Shape["runs"] | null {
  const [rows = Number.NaN, columns = Number.NaN] = Array.isArray(cell.size) ? cell.size.map(asNumber) : [];
  const counts = Array.isArray(cell.counts) ? cell.counts.map(asNumber) : typeof cell.counts === "string" ? packedCounts(cell.counts) : [];
  if (!(rows > 0 && columns > 0 && rows * columns <= 1 << 26) || counts.length === 0) return null;
  return { rows, columns, counts };
}

/** Counts as pycocotools packs them into text: 5 bits a sign, and from the third on the difference to the one before the last. */
export function packedCounts(text: string): number[] {
  const counts: number[] = [];
  let at = 0;
  while (at < text.length) {
    let value = 0;
    let shift = 0;
    let more = true;
    while (more && at < text.length) {
      const sign = text.charCodeAt(at) - 48;
      value |= (sign & 0x1f) << shift;
      more = (sign & 0x20) !== 0;
      at += 1;
      shift += 5;
      if (!more && (sign & 0x10) !== 0) value |= -1 << shift;
    }
    counts.push(counts.length > 2 ? value + (counts.at(-2) ?? 0) : value);
  }
  return counts;
}

/** Which pixels of a mask are set, row by row. */
export function pixelsOf({ counts, rows, columns }: NonNullable<Shape["runs"]>): Uint8Array {
  const found = new Uint8Array(rows * columns);
  let place = 0;
  counts.forEach((count, run) => {
    const end = Math.min(rows * columns, place + Math.max(0, count));
    if (run % 2 === 1) for (let at = place; at < end; at += 1) found[(at % rows) * columns + Math.floor(at / rows)] = 1;
    place = end;
  });
  return found;
}
