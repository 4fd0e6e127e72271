/** What makes one text of another, word by word: the longest common subsequence, after what both begin and end with. */

export type Piece = { kind: "same" | "removed" | "added"; text: string };

/** Words beyond which the middle is shown as replaced: the table of the comparison grows with their product. */
const MOST_WORDS = 1500;

export function diffWords(before: string, after: string): Piece[] {
  const [a, b] = [words(before), words(after)];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let [endA, endB] = [a.length, b.length];
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    endA -= 1;
    endB -= 1;
  }
  const pieces: Piece[] = [];
  push(pieces, "same", a.slice(0, start).join(""));
  middle(pieces, a.slice(start, endA), b.slice(start, endB));
  push(pieces, "same", a.slice(endA).join(""));
  return pieces;
}

function words(text: string): string[] {
  return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
}

function middle(pieces: Piece[], a: string[], b: string[]): void {
  if (a.length > MOST_WORDS || b.length > MOST_WORDS) {
    push(pieces, "removed", a.join(""));
    push(pieces, "added", b.join(""));
    return;
  }
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      common[i * width + j] =
        a[i] === b[j]
          ? (common[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(common[(i + 1) * width + j] ?? 0, common[i * width + j + 1] ?? 0);
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      push(pieces, "same", a[i] ?? "");
      i += 1;
      j += 1;
    } else if (i < a.length && (j >= b.length || (common[(i + 1) * width + j] ?? 0) >= (common[i * width + j + 1] ?? 0))) {
      push(pieces, "removed", a[i] ?? "");
      i += 1;
    } else {
      push(pieces, "added", b[j] ?? "");
      j += 1;
    }
  }
}

function push(pieces: Piece[], kind: Piece["kind"], text: string): void {
  if (text === "") return;
  const last = pieces.at(-1);
  if (last?.kind === kind) last.text += text;
  else pieces.push({ kind, text });
}
