/** What a cell of a row is. The API writes what JSON cannot hold as an object with `_type`; docs/reference/http-api.md lists them. */

export type Cell = null | boolean | number | string | Cell[] | { [name: string]: Cell };
export type Row = Record<string, Cell>;

export type Kind =
  | "missing"
  | "boolean"
  | "number"
  | "text"
  | "image"
  | "audio"
  | "video"
  | "bytes"
  | "error"
  | "list"
  | "object";

export function isObject(cell: Cell | undefined): cell is { [name: string]: Cell } {
  return typeof cell === "object" && cell !== null && !Array.isArray(cell);
}

export function typeOf(cell: Cell | undefined): string {
  return isObject(cell) && typeof cell._type === "string" ? cell._type : "";
}

const TYPED: Record<string, Kind> = {
  image: "image",
  audio: "audio",
  video: "video",
  text: "text",
  long_text: "text",
  number: "number",
  bytes: "bytes",
  binary: "bytes",
  numpy_binary: "bytes",
  error: "error",
  value: "text",
  list: "list",
};

export function kindOf(cell: Cell | undefined): Kind {
  if (cell === null || cell === undefined) return "missing";
  if (typeof cell === "boolean") return "boolean";
  if (typeof cell === "number") return "number";
  if (typeof cell === "string") return "text";
  if (Array.isArray(cell)) return "list";
  return TYPED[typeOf(cell)] ?? "object";
}

/** A number, or NaN where the cell is none. */
export function asNumber(cell: Cell | undefined): number {
  if (typeof cell === "number") return cell;
  if (typeof cell === "boolean") return cell ? 1 : 0;
  if (typeOf(cell) === "number" && isObject(cell)) return Number(asText(cell.value).replace("inf", "Infinity"));
  return Number.NaN;
}

/** A cell as one line of text, as far as it is there. */
export function asText(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return "";
  if (typeof cell === "string") return cell;
  if (typeof cell !== "object") return String(cell);
  if (isObject(cell)) {
    const type = typeOf(cell);
    if (type === "error") return asText(cell.message);
    if (type !== "" && "value" in cell) return asText(cell.value);
    if (type === "bytes") return `${asText(cell.size_bytes)} bytes`;
  }
  return JSON.stringify(plain(cell), rounded);
}

/** Numbers of lists and objects with four significant figures: more only hides what is around them. */
export function rounded(_name: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
}

/** The numbers of a list of nothing but numbers, as probabilities and embeddings are; null for anything else. */
export function asNumbers(cell: Cell | undefined): number[] | null {
  const items = isObject(cell) && typeOf(cell) === "list" ? cell.items : cell;
  if (!Array.isArray(items) || items.length < 2) return null;
  const found = items.map(asNumber);
  return found.every(Number.isFinite) && items.every((each) => typeof each !== "boolean") ? found : null;
}

/** The value as it was before `_type` wrapped it, for showing as JSON. */
export function plain(cell: Cell): unknown {
  if (Array.isArray(cell)) return cell.map(plain);
  if (!isObject(cell)) return cell;
  const type = typeOf(cell);
  if (type === "dict" && Array.isArray(cell.items))
    return Object.fromEntries(cell.items.map((pair) => (Array.isArray(pair) ? [asText(pair[0]), plain(pair[1] ?? null)] : ["", pair])));
  if (type === "list" && Array.isArray(cell.items)) return cell.items.map(plain);
  if (["number", "value", "long_text"].includes(type)) return plain(cell.value ?? null);
  return Object.fromEntries(Object.entries(cell).map(([name, each]) => [name, plain(each)]));
}

/** Where the whole content of a cell is read; empty for none. */
export function hrefOf(cell: Cell | undefined): string {
  return isObject(cell) && typeof cell.href === "string" && cell.href.startsWith("/api/") ? cell.href : "";
}
