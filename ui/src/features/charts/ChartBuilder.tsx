/** A chart of a logged table, made by pointing: what is drawn, over what, in which colours. It stands in the address. */

import { useMemo, type ReactNode } from "react";

import type { TableView } from "../../api/schema";
import { useSeries } from "../../api/tables";
import { Empty, Loaded } from "../../components/states";
import { asNumber, kindOf, plain, type Cell } from "../../lib/cell";
import { count } from "../../lib/format";
import { both } from "../../lib/where";
import { useUrlState } from "../urlState";
import { Chart } from "./Chart";
import { rowsOfMark } from "./marks";

const MARKS = ["line", "point", "bar", "histogram"] as const;
type Mark = (typeof MARKS)[number];
const TITLES: Record<Mark, string> = { line: "Line", point: "Scatter", bar: "Bar", histogram: "Histogram" };

export function ChartBuilder({ job, table }: { job: string; table: TableView }): ReactNode {
  const url = useUrlState();
  const usable = table.columns.filter((each) => !/^(media|list|struct|bytes)/.test(each.kind)).map((each) => each.name);
  const numeric = table.columns.filter((each) => ["int", "float"].includes(each.kind)).map((each) => each.name);
  const isOne = (name: string): boolean => usable.includes(name);
  const mark = (MARKS.find((each) => each === url.get("mark")) ?? "line");
  const x = isOne(url.get("x")) ? url.get("x") : (usable.includes("fpr") ? "fpr" : (usable[0] ?? ""));
  const y = isOne(url.get("y")) ? url.get("y") : (usable.includes("tpr") ? "tpr" : (numeric.find((each) => each !== x) ?? x));
  const colour = isOne(url.get("colour")) ? url.get("colour") : "";
  const columns = [...new Set([x, ...(mark === "histogram" ? [] : [y]), colour].filter((each) => each !== ""))];
  const series = useSeries(job, columns, { table: table.name, where: url.get("where") });
  const data = series.data;
  const spec = useMemo(() => (data ? specOf(mark, data.columns as Record<string, Cell[]>, { x, y, colour }) : null), [data, mark, x, y, colour]);
  if (usable.length === 0) return <Empty title="Nothing to draw">This table has no columns of numbers or texts.</Empty>;
  return (
    <div className="page">
      <div className="toolbar">
        {MARKS.map((each) => (
          <button key={each} type="button" className="button small" aria-pressed={each === mark} onClick={() => url.set({ mark: each })}>
            {TITLES[each]}
          </button>
        ))}
        <Pick label="x" value={x} names={usable} onChange={(value) => url.set({ x: value })} />
        {mark !== "histogram" && <Pick label="y" value={y} names={usable} onChange={(value) => url.set({ y: value })} />}
        <Pick label="colour" value={colour} names={["", ...usable]} onChange={(value) => url.set({ colour: value })} />
      </div>
      <Loaded query={series}>
        {(found) => (
          <>
            {spec && (
              <Chart
                spec={spec}
                label={`${TITLES[mark]} of ${columns.join(", ")} in ${table.name}`}
                height={380}
                onPick={(datum) => {
                  const where = rowsOfMark(columns, x, datum, ((found.columns[x] ?? []) as Cell[]).map(asNumber));
                  if (where !== "") url.set({ where: both(url.get("where"), where), show: null }, true);
                }}
              />
            )}
            <p className="muted">
              {found.rows < found.total ? `${count(found.rows, "row")}, evenly chosen of ${count(found.total, "row")}. ` : `${count(found.total, "row")}. `}
              Press a {mark === "bar" || mark === "histogram" ? "bar" : "point"} to see its rows.
            </p>
          </>
        )}
      </Loaded>
    </div>
  );
}

function Pick({ label, value, names, onChange }: { label: string; value: string; names: readonly string[]; onChange: (value: string) => void }): ReactNode {
  return (
    <label className="check">
      <span className="muted">{label}</span>
      <select className="select" value={value} onChange={(event) => onChange(event.target.value)}>
        {names.map((each) => (
          <option key={each} value={each}>
            {each || "(none)"}
          </option>
        ))}
      </select>
    </label>
  );
}

function specOf(mark: Mark, columns: Record<string, Cell[]>, axes: { x: string; y: string; colour: string }): Record<string, unknown> {
  const names = Object.keys(columns);
  const length = columns[names[0] ?? ""]?.length ?? 0;
  const values = Array.from({ length }, (_, at) => Object.fromEntries(names.map((name) => [name, plain(columns[name]?.[at] ?? null)])));
  const isNumber = (name: string): boolean => (columns[name] ?? []).every((each) => ["number", "missing", "boolean"].includes(kindOf(each)));
  const axis = (name: string): Record<string, unknown> => ({ field: escaped(name), title: name, type: isNumber(name) ? "quantitative" : "nominal" });
  const colour = axes.colour === "" ? {} : { color: { ...axis(axes.colour), type: isNumber(axes.colour) ? "quantitative" : "nominal" } };
  if (mark === "histogram")
    return { data: { values }, mark: "bar", encoding: { x: { ...axis(axes.x), ...(isNumber(axes.x) ? { bin: { maxbins: 30 } } : {}) }, y: { aggregate: "count", title: "rows" }, ...colour } };
  const bar = mark === "bar" ? { x: { ...axis(axes.x), type: "nominal" } } : { x: axis(axes.x) };
  return { data: { values }, mark: mark === "line" ? { type: "line", point: length <= 200 } : { type: mark, opacity: 0.75 }, encoding: { ...bar, y: axis(axes.y), ...colour } };
}

/** A name of a field, in which dots and brackets mean nothing. */
export function escaped(name: string): string {
  return name.replaceAll(/[.[\]\\]/g, (sign) => `\\${sign}`);
}
