/** Colours for code: keywords, texts, numbers and comments, told apart by one pass. Nothing is run. */

export interface Token {
  kind: "plain" | "keyword" | "text" | "number" | "comment";
  text: string;
}

const KEYWORDS = new Set(
  (
    "and as assert async await break case catch class const continue def del do elif else enum except export extends false False finally for " +
    "from function global if import in is interface lambda let match new nonlocal None not null or pass raise return static super " +
    "switch this throw true True try type typeof var void while with yield"
  ).split(" "),
);
const PATTERN = /(#.*|\/\/.*|\/\*[\s\S]*?\*\/)|("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|(\b\d[\d_.]*(?:e[+-]?\d+)?\b)|([A-Za-z_]\w*)/g;

export function tokens(code: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  for (const match of code.matchAll(PATTERN)) {
    const kind = match[1] ? "comment" : match[2] ? "text" : match[3] ? "number" : KEYWORDS.has(match[0]) ? "keyword" : "plain";
    if (match.index > at) found.push({ kind: "plain", text: code.slice(at, match.index) });
    found.push({ kind, text: match[0] });
    at = match.index + match[0].length;
  }
  if (at < code.length) found.push({ kind: "plain", text: code.slice(at) });
  return found;
}
