/** The rows of a version of a dataset, as a table or as a gallery. */

import { useMemo, useRef, type ReactNode } from "react";

import { versionPath, type VersionPlace } from "../../api/versions";
import { Drawer } from "../../components/Drawer";
import { Empty, Failure, Skeleton } from "../../components/states";
import { Table, type Column } from "../../components/Table";
import { asText, kindOf, type Row } from "../../lib/cell";
import { count } from "../../lib/format";
import { CellView, Thumbnail } from "../../media/CellView";
import { useKept } from "../kept";
import { ColumnChooser } from "../rows/ColumnChooser";
import { hasImages, makeColumns } from "../rows/columns";
import { useRows, type Rows } from "../rows/pages";
import { RowDrawer } from "../rows/RowDrawer";
import { useUrlState } from "../urlState";

const SAMPLE = 60;

export function DatasetRows({ place }: { place: VersionPlace }): ReactNode {
  const url = useUrlState();
  const [widths, setWidths] = useKept<Record<string, number>>(`widths:dataset:${place.name}`, {});
  const { project, name, version } = place;
  const source = useMemo(() => ({ path: `${versionPath("dataset", { project, name, version })}/rows`, key: ["dataset", project, name, version] }), [project, name, version]);
  const asked = url.get("row");
  const at = /^\d{1,12}$/.test(asked) ? Number(asked) : -1;
  const rows = useRows(source, {}, at);
  if (rows.error !== null) return <Failure error={rows.error} onAgain={rows.again} />;
  if (rows.isLoading) return <Skeleton rows={10} />;
  if (rows.total === 0) return <Empty title="This version has no rows" />;
  const names = rows.columns.map((each) => each.name);
  const chosen = url.all("col").filter((each) => names.includes(each));
  const shown = chosen.length > 0 ? chosen : names;
  const views = shown.flatMap((each) => rows.columns.find((one) => one.name === each) ?? []);
  const sample = Array.from({ length: SAMPLE }, (_, index) => rows.rowAt(index));
  const key: Column<Row> = { id: "__key", title: "key", width: 110, pinned: true, cell: (row) => <CellView cell={row.__key} /> };
  const isGallery = url.get("as", hasImages(rows.columns) ? "gallery" : "table") === "gallery";
  const open = (index: number): void => url.set({ row: String(Math.max(0, Math.min(rows.total - 1, index))) });
  const opened = at >= 0 ? rows.rowAt(at) : undefined;
  const close = (): void => url.set({ row: null });
  return (
    <div className="page">
      <div className="toolbar">
        {(["table", "gallery"] as const).map((each) => (
          <button key={each} type="button" className="button small" aria-pressed={isGallery === (each === "gallery")} onClick={() => url.set({ as: each })}>
            {each === "table" ? "Table" : "Gallery"}
          </button>
        ))}
        <span className="muted num">{count(rows.total, "row")}</span>
        <ColumnChooser all={names} shown={shown} onChange={(next) => url.set({ col: next })} />
      </div>
      {isGallery ? (
        <Gallery rows={rows} onOpen={open} />
      ) : (
        <Table
          label={`Rows of ${name}`}
          columns={[key, ...makeColumns(views, sample, false).map((each) => ({ ...each, pinned: false }))]}
          rowCount={rows.total}
          rowAt={rows.rowAt}
          onSight={rows.onSight}
          rowHeight={hasImages(views) ? 52 : 36}
          onOpen={(_row, index) => open(index)}
          widths={widths}
          onWidth={(column, width) => setWidths({ ...widths, [column]: width })}
          height="max(320px, calc(100vh - 290px))"
        />
      )}
      {opened && <RowDrawer title={`${name}: ${asText(opened.__key)}`} row={opened} onClose={close} onStep={(by) => open(at + by)} />}
      {!opened && asked !== "" && (
        <Drawer title={`${name}: row ${asked}`} onClose={close}>
          {at < 0 || at >= rows.total ? <Empty title="There is no such row">This version has {count(rows.total, "row")}, counted from 0.</Empty> : <Skeleton rows={6} />}
        </Drawer>
      )}
    </div>
  );
}

/** Tiles across in a line of the gallery, by the width that there is. */
const TILE = 170;
const LINE = 190;

function Gallery({ rows, onOpen }: { rows: Rows; onOpen: (index: number) => void }): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const width = box.current?.clientWidth ?? Math.min(window.innerWidth - 48, 2400);
  const across = Math.max(2, Math.floor(width / TILE));
  const picture = rows.columns.find((each) => /image/i.test(each.kind))?.name;
  const others = rows.columns.filter((each) => each.name !== picture).slice(0, 2);
  const { onSight } = rows;
  const line: Column<number> = {
    id: "line",
    title: "",
    width: 300,
    cell: (start) => (
      <div style={{ display: "grid", gridTemplateColumns: `repeat(${across}, minmax(0, 1fr))`, gap: 8, width: "100%", padding: "6px 0" }}>
        {Array.from({ length: Math.min(across, rows.total - start) }, (_, place) => {
          const row = rows.rowAt(start + place);
          if (!row) return <span key={place} className="skeleton" style={{ height: LINE - 16 }} />;
          return (
            <button key={place} type="button" className="tile" onClick={() => onOpen(start + place)}>
              <span className="picture">{picture !== undefined && kindOf(row[picture]) === "image" ? <Thumbnail cell={row[picture]} size={112} /> : <CellView cell={picture === undefined ? row[others[0]?.name ?? ""] : row[picture]} />}</span>
              <span className="clip muted">
                {asText(row.__key)}
                {others.map((each) => ` · ${each.name} ${asText(row[each.name])}`).join("")}
              </span>
            </button>
          );
        })}
      </div>
    ),
  };
  return (
    <div ref={box} className="gallery-box">
      <Table
        label="Gallery"
        isHeadless
        columns={[line]}
        rowCount={Math.ceil(rows.total / across)}
        rowAt={(index) => index * across}
        onSight={(first, end) => onSight(first * across, Math.min(rows.total, end * across))}
        rowHeight={LINE}
        height="max(320px, calc(100vh - 290px))"
      />
    </div>
  );
}
