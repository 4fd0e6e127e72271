/** The confusion matrices of a report: rows counted by the server, or shares as a job logged them where the counts are unknown. */

import { asNumber, asText, isObject, type Cell } from "../../lib/cell";

export interface Matrix {
  labels: string[];
  /** What it is about; empty for all rows. */
  slice: string;
  /** Rows, by true and then by predicted label; null where only shares were logged. */
  counts: number[][] | null;
  /** Of the rows of the true label; as they were logged where the counts are unknown. */
  shares: number[][];
}

export function confusionsOf(report: Record<string, Cell>): Matrix[] {
  const counted = Array.isArray(report.confusions) ? report.confusions.filter(isObject) : [];
  if (counted.length > 0) {
    return counted.map((each) => {
      const counts = grid(each.counts);
      return { labels: texts(each.labels), slice: asText(each.slice ?? ""), counts, shares: counts.map(shareOf) };
    });
  }
  const logged = isObject(report.confusion_matrix) ? report.confusion_matrix : {};
  const rows = Array.isArray(logged.binarylabel) ? logged.binarylabel.filter(isObject) : [];
  if (rows.length === 0) return [];
  const named = texts(logged.labels);
  const labels = named.length > 0 ? named : rows.map((each) => asText(each.id));
  return [{ labels, slice: "", counts: null, shares: rows.map((row) => labels.map((_, at) => asNumber(row[String(at)]))) }];
}

function shareOf(row: number[]): number[] {
  const total = row.reduce((sum, each) => sum + each, 0);
  return row.map((each) => (total > 0 ? each / total : 0));
}

function texts(cell: Cell | undefined): string[] {
  return Array.isArray(cell) ? cell.map(asText) : [];
}

function grid(cell: Cell | undefined): number[][] {
  return Array.isArray(cell) ? cell.map((row) => (Array.isArray(row) ? row.map(asNumber) : [])) : [];
}
