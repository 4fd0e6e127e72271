/** What a text looks like: JSON, code, or words. A guess that chooses a way of showing it, and no more. */

export type Look = "json" | "code" | "words";

/** Characters of a text that are looked at. */
const MOST = 200_000;
/** A longer line is no line of code that somebody wrote, and the pattern takes longer than its length to see that. */
const LONGEST_LINE = 1000;
const LINE_OF_CODE =
  /^\s*((async )?def \w+\(|class \w+.*[:{]$|import [\w.{*]|from [\w.]+ import|return\b|(export )?(async )?function\b|(const|let|var) \w+ =|(if|for|while|else|elif|try|except|with|switch)\b.*[:{]$|#include|(public|private|static) |SELECT\b.* FROM|print\(|@\w+|[\w.\[\]]+ [-+*/]?= \S|[\w.]+\(.*\);?$|[}\])]+[;,]?$|\/\/|# )/;

export function looksLike(text: string): Look {
  const shown = text.slice(0, MOST).trim();
  if (/^[[{]/.test(shown) && /[\]}]$/.test(shown) && jsonOf(shown) !== undefined) return "json";
  const lines = shown.split("\n").filter((each) => each.trim() !== "");
  const many = lines.filter((each) => each.length <= LONGEST_LINE && LINE_OF_CODE.test(each)).length;
  return many >= 2 && many >= lines.length / 2 ? "code" : "words";
}

/** The value of a text of JSON; undefined where it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
