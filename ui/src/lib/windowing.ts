/** Which rows of a long list are in sight. Lists longer than a browser can make tall are scaled, so that a million rows scroll too. */

export interface View {
  /** Pixels that were scrolled. */
  scrollTop: number;
  /** Height of what is in sight. */
  height: number;
}

export interface Window {
  /** First row to draw. */
  first: number;
  /** The row behind the last to draw. */
  end: number;
  /** Where the first of them stands, in pixels from the top of the whole list. */
  top: number;
  /** Height of the whole list. */
  total: number;
}

/** Browsers clip elements at some 17 million pixels; stay below. */
export const TALLEST = 12_000_000;

export function windowOf(view: View, rows: number, rowHeight: number, beyond = 8): Window {
  const real = rows * rowHeight;
  const total = Math.min(real, TALLEST);
  const room = Math.max(0, total - view.height);
  const share = room === 0 ? 0 : Math.min(1, Math.max(0, view.scrollTop / room));
  const realTop = real <= TALLEST ? view.scrollTop : share * (real - view.height);
  const atTop = Math.max(0, Math.min(rows - 1, Math.floor(realTop / rowHeight)));
  const first = Math.max(0, atTop - beyond);
  const end = Math.min(rows, Math.ceil((realTop + view.height) / rowHeight) + beyond);
  return { first, end, top: view.scrollTop - (realTop - first * rowHeight), total };
}

/** How far to scroll so that a row stands at the top. */
export function scrollTo(row: number, rows: number, rowHeight: number, height: number): number {
  const real = rows * rowHeight;
  if (real <= TALLEST) return row * rowHeight;
  return ((row * rowHeight) / Math.max(1, real - height)) * (TALLEST - height);
}
