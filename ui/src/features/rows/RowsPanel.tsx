/** A table of a job, of any length: filtered, sorted, its columns chosen, each row to be opened. All of it stands in the address. */

import { useMemo, useState, type ReactNode } from "react";

import { ApiError } from "../../api/client";
import type { ColumnView, TableRowView } from "../../api/schema";
import { jobRows, useRow, useRowElsewhere } from "../../api/tables";
import { Drawer } from "../../components/Drawer";
import { Empty, Failure, Loaded, Skeleton } from "../../components/states";
import { Table, type Column } from "../../components/Table";
import { asText, type Cell, type Row } from "../../lib/cell";
import { count } from "../../lib/format";
import { searched } from "../../lib/where";
import { CellView } from "../../media/CellView";
import { useKept } from "../kept";
import { useUrlState } from "../urlState";
import { Spread } from "../charts/Spread";
import { ColumnChooser } from "./ColumnChooser";
import { hasImages, isInner, makeColumns } from "./columns";
import { datasetImage, useDatasetInput, useImageColumns, type ImageColumn } from "./datasetInput";
import { FilterBox } from "./FilterBox";
import { useRows } from "./pages";
import { RowDrawer } from "./RowDrawer";

const SAMPLE = 60;

interface PanelProps {
  job: string;
  table: string;
  /** Datasets of the job: what went in is read there where the results do not hold it. */
  uris?: readonly string[];
  beside?: ReactNode;
}

const NO_URIS: readonly string[] = [];

export function RowsPanel({ job, table, uris = NO_URIS, beside }: PanelProps): ReactNode {
  const url = useUrlState();
  const [widths, setWidths] = useKept<Record<string, number>>(`widths:${table}`, {});
  const query = { table, where: url.get("where"), sort: url.get("sort"), descending: url.has("desc") };
  const source = useMemo(() => jobRows(job), [job]);
  const openAt = /^\d{1,12}$/.test(url.get("at")) ? Number(url.get("at")) : -1;
  const rows = useRows(source, query, openAt);
  const [known, setKnown] = useState(rows.columns);
  if (rows.columns.length > 0 && rows.columns !== known) setKnown(rows.columns); // a filter that makes no sense has no columns
  const images = useImageColumns(table === "results" || table === "errors" ? uris : NO_URIS, rows.columns.map((each) => each.name));
  const all = withImages(rows.columns, images);
  const names = all.map((each) => each.name);
  const chosen = url.all("col").filter((each) => names.includes(each));
  const shown = chosen.length > 0 ? chosen : names.filter((each) => !isInner(each));
  const filterError = rows.error instanceof ApiError && !rows.error.isOffline && query.where !== "" ? `${rows.error.message}. ${rows.error.hint}` : "";
  const views = shown.flatMap((name) => all.find((each) => each.name === name) ?? []);
  const sample = Array.from({ length: SAMPLE }, (_, place) => rows.rowAt(place));
  const opened = url.get("row");

  const open = (row: Row | undefined, index: number): void => {
    if (row !== undefined) url.set({ row: asText(row.id), at: String(index) });
  };
  const isAt = openAt >= 0 && asText(rows.rowAt(openAt)?.id) === opened; // another order puts another row there
  return (
    <div className="page">
      <div className="toolbar">
        {beside}
        <FilterBox
          label="Filter rows"
          value={query.where}
          onChange={(typed) => url.set({ where: searched(typed, known), row: null, at: null }, true)}
          placeholder={`Search words, or filter: ${table === "results" ? "output != input/label" : "score < 0.5"}`}
          error={filterError}
        />
        <span className="muted num" role="status">
          {rows.isLoading ? "…" : count(rows.total, "row")}
        </span>
        <Spread job={job} table={table} where={query.where} columns={rows.columns} onFilter={(where) => url.set({ where, row: null, at: null }, true)} />
        <ColumnChooser all={names} shown={shown} onChange={(next) => url.set({ col: next })} />
      </div>
      {rows.error !== null && filterError === "" ? (
        <Failure error={rows.error} onAgain={rows.again} />
      ) : rows.isLoading ? (
        <Skeleton rows={10} />
      ) : rows.total === 0 ? (
        <Nothing isFiltered={query.where !== ""} onClear={() => url.set({ where: null })} />
      ) : (
        <Table
          label={`Rows of ${table}`}
          columns={makeColumns(views, sample, true).map((each) => withImage(each, images, uris))}
          rowCount={rows.total}
          rowAt={rows.rowAt}
          onSight={rows.onSight}
          rowHeight={hasImages(views) ? 52 : 36}
          sort={query.sort === "" ? null : { column: query.sort, descending: query.descending }}
          onSort={(sort) => url.set({ sort: sort.column, desc: sort.descending })}
          onOpen={open}
          widths={widths}
          onWidth={(column, width) => setWidths({ ...widths, [column]: width })}
          height="max(320px, calc(100vh - 290px))"
        />
      )}
      {opened !== "" && (
        <OpenedRow
          key={table}
          job={job}
          table={table}
          id={opened}
          uris={uris}
          onClose={() => url.set({ row: null, at: null })}
          {...(isAt ? { onStep: (by: number) => open(rows.rowAt(openAt + by), openAt + by) } : {})}
        />
      )}
    </div>
  );
}

/** Columns of the table with the images of its datasets behind the id. */
function withImages(columns: readonly ColumnView[], images: readonly ImageColumn[]): ColumnView[] {
  const [id, ...others] = columns;
  return id ? [id, ...images.map(({ name, kind }) => ({ name, kind })), ...others] : [];
}

function withImage(column: Column<Row>, images: readonly ImageColumn[], uris: readonly string[]): Column<Row> {
  const image = images.find((each) => each.name === column.id);
  if (!image) return column;
  return { ...column, sortable: false, hint: `${image.column} of the dataset`, cell: (row) => <CellView cell={datasetImage(row, image.column, uris)} /> };
}

function Nothing({ isFiltered, onClear }: { isFiltered: boolean; onClear: () => void }): ReactNode {
  if (!isFiltered) return <Empty title="No rows yet">Rows show here as soon as they are committed, about once a second while the job runs.</Empty>;
  return (
    <div className="state">
      <h2>No row fits the filter</h2>
      <button type="button" className="button" onClick={onClear}>
        Show all rows
      </button>
    </div>
  );
}

/** A row with what other tables say of it: results under their own names, everything else behind the name of its table. */
function withOthers(own: Row, others: readonly TableRowView[]): Row {
  const named = others.flatMap(({ table, row }) =>
    Object.entries(row as Row).flatMap(([name, cell]): [string, Cell][] => (name === "id" || isInner(name) ? [] : [[table === "results" ? name : `${table}/${name}`, cell]])),
  );
  return { ...Object.fromEntries(named), ...own };
}

interface OpenedProps {
  job: string;
  table: string;
  id: string;
  uris: readonly string[];
  onClose: () => void;
  onStep?: (by: number) => void;
}

function OpenedRow({ job, table, id, uris, onClose, onStep }: OpenedProps): ReactNode {
  const row = useRow(job, table, id);
  const others = withOthers(row.data ?? {}, useRowElsewhere(job, table, id).data ?? []);
  const input = useDatasetInput(id, uris, others);
  if (row.data === undefined)
    return (
      <Drawer title={id} onClose={onClose}>
        <Loaded query={row}>{() => null}</Loaded>
      </Drawer>
    );
  return <RowDrawer title={id} row={{ ...others, ...input }} onClose={onClose} {...(onStep ? { onStep } : {})} />;
}
