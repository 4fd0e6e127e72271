/** Objects within objects as one line per value. */

import { isObject, type Cell } from "../../lib/cell";

export function flat(cells: Record<string, Cell>, before = ""): Record<string, Cell> {
  return Object.fromEntries(
    Object.entries(cells).flatMap(([name, cell]): [string, Cell][] =>
      isObject(cell) && typeof cell._type !== "string" ? Object.entries(flat(cell, `${before}${name}/`)) : [[before + name, cell]],
    ),
  );
}
