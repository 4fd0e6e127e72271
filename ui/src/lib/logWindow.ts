/** The lines of a log that a page keeps: one piece of it without gaps, which grows at either end and is cut at the other. */

export interface Line {
  offset: number;
  text: string;
}

export interface Kept {
  lines: readonly Line[];
  /** Offset of the first line, and the one behind the last: where to read on. */
  start: number;
  end: number;
  /** Bytes of the whole log. */
  size: number;
}

export interface Read {
  lines: readonly Line[];
  start: number;
  end: number;
  size_bytes: number;
}

export type Where = "all" | "before" | "behind";

/** What is kept after some more was read; of more than `most` lines those at the end that grew. */
export function grown(kept: Kept, read: Read, where: Where, most: number): Kept {
  const size = read.size_bytes;
  if (where === "all") return { lines: read.lines, start: read.start, end: read.end, size };
  if (where === "before") {
    const all = [...read.lines, ...kept.lines];
    return { lines: all.slice(0, most), start: read.start, end: all[most]?.offset ?? kept.end, size };
  }
  const all = [...kept.lines, ...read.lines];
  const lines = all.slice(-most);
  return { lines, start: all.length > most ? (lines[0]?.offset ?? kept.start) : kept.start, end: read.end, size };
}
