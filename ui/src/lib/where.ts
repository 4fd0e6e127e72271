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

/** What a label that was shown as text stands for in a column of some kind; where the kind is unknown, a number where it looks like one. */
export function labelLiteral(label: string, kind = ""): string {
  if (/^(str|media:text)$/i.test(kind)) return literal(label);
  if (kind === "bool" && /^(true|false)$/i.test(label)) return label.toLowerCase();
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

const IS_EXPRESSION = /[=<>()[\]"`]|(?<!\w)'|'(?!\w)|\bcontains\b|\bis\s+(not\s+)?(null|none)\b|^\s*not\s/i;

/** What was typed as an expression: words that are none are looked for in all columns of text. */
export function searched(typed: string, columns: readonly { name: string; kind: string }[]): string {
  const words = typed.trim();
  if (words === "" || IS_EXPRESSION.test(words) || columns.some((each) => each.name.toLowerCase() === words.toLowerCase())) return words;
  const texts = columns.filter((each) => /^(str|media:text)$/i.test(each.kind));
  return texts.length === 0 ? words : texts.map((each) => `${column(each.name)} contains ${literal(words)}`).join(" or ");
}
