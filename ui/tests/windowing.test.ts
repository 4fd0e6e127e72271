import { describe, expect, it } from "vitest";

import { scrollTo, TALLEST, windowOf } from "../src/lib/windowing";

describe("rows in sight", () => {
  it("are those that are in sight, and a few around them", () => {
    expect(windowOf({ scrollTop: 3600, height: 360 }, 1000, 36, 2)).toEqual({ first: 98, end: 112, top: 98 * 36, total: 36_000 });
  });

  it("of a short list are all", () => { expect(windowOf({ scrollTop: 0, height: 600 }, 3, 36)).toMatchObject({ first: 0, end: 3, top: 0 }); });

  it("of an empty list are none", () => { expect(windowOf({ scrollTop: 0, height: 600 }, 0, 36)).toMatchObject({ first: 0, end: 0 }); });

  it("of a million are reached to the last without a gap", () => {
    const rows = 1_000_000;
    const view = { height: 600, scrollTop: 0 };
    expect(windowOf(view, rows, 36).total).toBe(TALLEST);
    let before = windowOf(view, rows, 36);
    const gaps: number[] = [];
    for (let scrollTop = 0; scrollTop <= TALLEST - 600; scrollTop += 240) {
      const now = windowOf({ ...view, scrollTop }, rows, 36);
      const bottom = now.top + (now.end - now.first) * 36;
      if (now.first > before.end || now.top > scrollTop || bottom < scrollTop + 600) gaps.push(scrollTop);
      before = now;
    }
    expect(gaps).toEqual([]);
    expect(windowOf({ ...view, scrollTop: TALLEST - 600 }, rows, 36).end).toBe(rows);
  });

  it("hold the row that was scrolled to", () => {
    for (const rows of [100, 1_000_000])
      for (const row of [0, 50, rows - 30]) {
        const found = windowOf({ scrollTop: scrollTo(row, rows, 36, 600), height: 600 }, rows, 36);
        expect(found.first).toBeLessThanOrEqual(row);
        expect(found.end).toBeGreaterThan(row);
      }
  });
});
