/** The curves of a report, as its figures brought them. */

import { asNumber, asText, isObject, type Cell } from "../../lib/cell";
import type { Point } from "../../lib/threshold";

export interface FigureCurve {
  kind: string;
  slice: string;
  name: string;
  points: Point[];
}

export function curvesOf(report: Record<string, unknown>): FigureCurve[] {
  const given = report.curves as Cell | undefined;
  return (Array.isArray(given) ? given.filter(isObject) : []).map((each) => {
    const numbers = (cell: Cell | undefined): number[] => (isObject(cell) ? numbers(cell.items) : Array.isArray(cell) ? cell.map(asNumber) : []);
    const [x, y] = [numbers(each.x), numbers(each.y)];
    const label = asText(each.label);
    return { kind: asText(each.kind), slice: asText(each.slice), name: label === "" ? asText(each.metric) : `class ${label}`, points: x.map((value, at): Point => [value, y[at] ?? Number.NaN]).filter(([a, b]) => Number.isFinite(a + b)) };
  });
}
