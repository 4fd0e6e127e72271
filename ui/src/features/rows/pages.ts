/** Rows of a table of any length: the pages that are in sight are asked for, and no others. */

import { useCallback, useMemo, useState } from "react";

import type { ColumnView, RowsView } from "../../api/schema";
import { PAGE, useRowPages } from "../../api/tables";
import type { Row } from "../../lib/cell";

export interface Rows {
  total: number;
  columns: ColumnView[];
  rowAt: (index: number) => Row | undefined;
  onSight: (first: number, end: number) => void;
  isLoading: boolean;
  error: unknown;
  again: () => void;
}

/** Rows of a table; `also` is a row that is read though it is out of sight, as one that is open is; -1 for none. */
export function useRows(source: { path: string; key: readonly unknown[] }, query: object, also = -1): Rows {
  const [sight, setSight] = useState({ first: 0, end: 1 });
  const onSight = useCallback((first: number, end: number) => setSight({ first: Math.floor(first / PAGE), end: Math.ceil(end / PAGE) }), []);
  const numbers = useMemo(() => {
    const wanted = new Set([0]);
    for (let page = sight.first; page < Math.max(sight.first + 1, sight.end); page += 1) wanted.add(page);
    for (const row of also < 0 ? [] : [Math.max(0, also - 1), also, also + 1]) wanted.add(Math.floor(row / PAGE)); // and those beside it
    return [...wanted];
  }, [sight.first, sight.end, also]);
  const answers = useRowPages(source.path, source.key, query, numbers);
  const pages = new Map<number, RowsView>();
  answers.forEach((each, place) => {
    const page = numbers[place];
    if (each.data && page !== undefined) pages.set(page, each.data);
  });
  const first = pages.get(0);
  const failed = answers.find((each) => each.error !== null && each.data === undefined);
  return {
    total: first ? (first.total ?? first.items.length) : 0,
    columns: first?.columns ?? [],
    rowAt: (index) => pages.get(Math.floor(index / PAGE))?.items[index % PAGE] as Row | undefined,
    onSight,
    isLoading: first === undefined && !failed,
    error: failed?.error ?? null,
    again: () => answers.forEach((each) => void each.refetch()),
  };
}
