/** Rows of a job's tables, page by page, and how their values spread. */

import { keepPreviousData, useQueries, useQuery, type UseQueryResult } from "@tanstack/react-query";

import type { Cell, Row } from "../lib/cell";
import { get, segment } from "./client";
import type { HistogramView, RowsView, SeriesView, TableRowView, TableView } from "./schema";

export interface RowsWanted {
  table: string;
  where: string;
  sort: string;
  descending: boolean;
}

/** Pages that are out of sight are forgotten after so long: what is scrolled through would fill the memory else. */
const FORGET_MS = 10_000;

/** Rows of a page; pages are kept by their place, so that any part of a long table can be shown at once. */
export const PAGE = 100;

export function useTables(job: string): UseQueryResult<TableView[]> {
  return useQuery({
    queryKey: ["job", job, "tables"],
    queryFn: async ({ signal }) => (await get<{ items: TableView[] }>(`/jobs/${segment(job)}/tables`, {}, signal)).items,
  });
}

/** Some pages of rows, by their number from 0. */
export function useRowPages(path: string, key: readonly unknown[], query: object, pages: readonly number[]): UseQueryResult<RowsView>[] {
  return useQueries({
    queries: pages.map((page) => ({
      queryKey: [...key, "rows", query, page],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        get<RowsView>(path, { ...query, offset: page * PAGE, limit: PAGE }, signal),
      staleTime: 30_000,
      gcTime: FORGET_MS,
    })),
  });
}

export function jobRows(job: string): { path: string; key: readonly unknown[] } {
  return { path: `/jobs/${segment(job)}/rows`, key: ["job", job] };
}

export function useRow(job: string, table: string, id: string | null): UseQueryResult<Row> {
  return useQuery({
    queryKey: ["job", job, "row", table, id],
    enabled: id !== null,
    queryFn: async ({ signal }) => (await get<Record<string, Cell>>(`/jobs/${segment(job)}/row`, { id, table }, signal)),
  });
}

/** What other tables have under the id of a row: its outputs, its scores, what was logged of it. */
export function useRowElsewhere(job: string, table: string, id: string): UseQueryResult<TableRowView[]> {
  return useQuery({
    queryKey: ["job", job, "row-elsewhere", table, id],
    enabled: id !== "",
    queryFn: async ({ signal }) => (await get<{ items: TableRowView[] }>(`/jobs/${segment(job)}/row/elsewhere`, { id, table }, signal)).items,
  });
}

/** A row by its place in the order of the table; null for none. */
export function useRowAt(job: string, table: string, place: number | null): UseQueryResult<Row | null> {
  return useQuery({
    queryKey: ["job", job, "row-at", table, place],
    enabled: place !== null,
    queryFn: async ({ signal }) =>
      ((await get<RowsView>(`/jobs/${segment(job)}/rows`, { table, offset: place ?? 0, limit: 1 }, signal)).items[0] as Row | undefined) ?? null,
  });
}

/** The least and the greatest id of a table, with how many rows it has. */
export function useIds(job: string, table: string, isWanted: boolean): UseQueryResult<{ first: Cell; last: Cell; rows: number } | null> {
  return useQuery({
    queryKey: ["job", job, "ids", table],
    enabled: isWanted,
    queryFn: async ({ signal }) => {
      const ask = (offset: number): Promise<RowsView> =>
        get<RowsView>(`/jobs/${segment(job)}/rows`, { table, offset, limit: 1, columns: "id" }, signal);
      const first = await ask(0); // tables of logged rows are ordered by id
      const last = await ask(Math.max(0, (first.total ?? 1) - 1));
      const [least, most] = [first.items[0] as Row | undefined, last.items[0] as Row | undefined];
      return least && most ? { first: least.id ?? null, last: most.id ?? null, rows: first.total ?? 0 } : null;
    },
  });
}

/** Bars that can be pressed: each has to be 24 pixels wide. */
const BINS = 12;

export function useHistogram(job: string, column: string, wanted: Pick<RowsWanted, "table" | "where">, bins = BINS): UseQueryResult<HistogramView> {
  return useQuery({
    queryKey: ["job", job, "histogram", column, wanted, bins],
    enabled: column !== "",
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => get<HistogramView>(`/jobs/${segment(job)}/histogram`, { column, bins, ...wanted }, signal),
  });
}

export function useSeries(job: string, columns: string[], wanted: Pick<RowsWanted, "table" | "where">): UseQueryResult<SeriesView> {
  return useQuery({
    queryKey: ["job", job, "series", columns, wanted],
    enabled: columns.length > 0,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => get<SeriesView>(`/jobs/${segment(job)}/series`, { columns, ...wanted }, signal),
  });
}

/** The same columns of several tables, of one job or of several. */
export function useSeriesOf(tables: readonly { job: string; table: string }[], columns: string[]): UseQueryResult<SeriesView>[] {
  return useQueries({
    queries: tables.map(({ job, table }) => ({
      queryKey: ["job", job, "series", columns, { table, where: "" }],
      queryFn: ({ signal }: { signal: AbortSignal }) => get<SeriesView>(`/jobs/${segment(job)}/series`, { columns, table }, signal),
    })),
  });
}
