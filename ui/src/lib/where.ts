/** Expressions that say which rows, in the language of `swcli job results --where`. */

const PLAIN = /^[^\W\d][\w/.-]*$/u;
const WORDS = new Set(["and", "or", "not", "is", "in", "contains", "true", "false", "null", "none"]);

/** A column as the language writes it: odd names stand in backquotes. */
export function column(name: string): string {
  return PLAIN.test(name) && !WORDS.has(name.toLowerCase()) ? name : `\`${name}\``;
}

/** A value as the language writes it. */
export function literal(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** What a label that was shown as text stands for: labels of a confusion matrix are numbers where they look like one. */
export function labelLiteral(label: string): string {
  return /^-?\d+(\.\d+)?$/.test(label) ? label : literal(label);
}

export function equals(name: string, value: unknown): string {
  return `${column(name)} == ${literal(value)}`;
}

export function both(left: string, right: string): string {
  if (left.trim() === "") return right;
  if (right.trim() === "") return left;
  return `(${left}) and (${right})`;
}
