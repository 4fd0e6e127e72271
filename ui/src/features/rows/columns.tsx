/** Columns of a table of rows, sized and aligned by what they hold. */

import type { ColumnView } from "../../api/schema";
import type { Column } from "../../components/Table";
import { asNumber, type Row } from "../../lib/cell";
import { fixed, fractionDigits, number } from "../../lib/format";
import { CellView } from "../../media/CellView";

/** What the system keeps beside the user's columns; shown when chosen. */
export function isInner(name: string): boolean {
  return name.startsWith("_") || name === "duration_seconds";
}

const WIDTHS: [RegExp, number][] = [
  [/^media:.*Image/i, 110],
  [/^(int|float|bool)$/, 110],
  [/^(list|struct|variant)/, 240],
  [/^media:/, 160],
  [/^str$/, 300],
];

export function widthOf(column: ColumnView): number {
  if (column.name === "id") return 175;
  const found = WIDTHS.find(([pattern]) => pattern.test(column.kind))?.[1] ?? 200;
  return Math.max(found, Math.min(260, column.name.length * 8 + 40));
}

export function hasImages(columns: readonly ColumnView[]): boolean {
  return columns.some((each) => /image/i.test(each.kind));
}

/** How numbers of a column are written, so that they stand under each other. */
export function formatOf(name: string, rows: readonly (Row | undefined)[]): (value: number) => string {
  const values = rows.map((row) => asNumber(row?.[name])).filter(Number.isFinite);
  const digits = fractionDigits(values);
  return (value) => (digits === 0 || Number.isInteger(value) && values.every(Number.isInteger) ? number(value) : fixed(value, digits));
}

export function makeColumns(columns: readonly ColumnView[], rows: readonly (Row | undefined)[], isSortable: boolean): Column<Row>[] {
  return columns.map((each, place) => {
    const isNumber = each.kind === "int" || each.kind === "float";
    const format = isNumber ? formatOf(each.name, rows) : undefined;
    return {
      id: each.name,
      title: each.name,
      hint: `${each.name}: ${each.kind}`,
      width: widthOf(each),
      ...(isNumber ? { align: "right" as const } : {}),
      ...(place === 0 ? { pinned: true } : {}),
      sortable: isSortable,
      cell: (row) => <CellView cell={row[each.name]} format={format} />,
    };
  });
}
