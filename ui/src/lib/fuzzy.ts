/** How well a text fits what was typed: the letters in order, better at the beginnings of words and together. */

/** Higher is better; null where it does not fit. */
export function fuzzyScore(typed: string, text: string): number | null {
  const wanted = typed.toLowerCase().replaceAll(" ", "");
  const inside = text.toLowerCase();
  let score = 0;
  let at = -1;
  for (const letter of wanted) {
    const found = inside.indexOf(letter, at + 1);
    if (found < 0) return null;
    if (found === at + 1) score += 3;
    if (found === 0 || /[\s/:_.-]/.test(inside[found - 1] ?? "")) score += 4;
    score -= Math.min(3, found - at - 1) * 0.2;
    at = found;
  }
  return score - inside.length * 0.01;
}

export function fuzzySort<T>(typed: string, items: readonly T[], text: (item: T) => string): T[] {
  if (typed.trim() === "") return [...items];
  return items
    .map((item) => ({ item, score: fuzzyScore(typed, text(item)) }))
    .filter((each): each is { item: T; score: number } => each.score !== null)
    .sort((a, b) => b.score - a.score)
    .map((each) => each.item);
}
