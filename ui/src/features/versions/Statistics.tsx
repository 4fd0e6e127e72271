/** What is in each column of a version: missing and distinct values, ranges, how they spread. */

import type { ReactNode } from "react";

import { useStatistics, type VersionPlace } from "../../api/versions";
import { Histogram, ValueBars } from "../../components/Bars";
import { Loaded } from "../../components/states";
import { asNumber, asText, isObject, type Cell } from "../../lib/cell";
import { bytes, count, number, percent } from "../../lib/format";

type Found = Record<string, Cell>;

export function Statistics({ place }: { place: VersionPlace }): ReactNode {
  const found = useStatistics(place);
  return (
    <Loaded query={found} rows={8}>
      {({ columns, rows }) => (
        <div className="cards" style={{ gridTemplateColumns: "repeat(auto-fill, minmax(min(100%, 320px), 1fr))", alignItems: "start" }}>
          {columns.map((each) => (
            <ColumnCard key={asText((each as Found).name)} column={each as Found} rows={rows} />
          ))}
        </div>
      )}
    </Loaded>
  );
}

function ColumnCard({ column, rows }: { column: Found; rows: number }): ReactNode {
  const distinct = isObject(column.distinct) ? column.distinct : {};
  const isNear = asNumber(distinct.error) > 0;
  const numbers = isObject(column.numbers) ? column.numbers : null;
  const lengths = isObject(column.lengths) ? column.lengths : null;
  const sizes = isObject(column.sizes) ? column.sizes : null;
  const missing = asNumber(column.missing);
  return (
    <article className="card" style={{ gap: 8 }}>
      <h3 style={{ overflowWrap: "anywhere" }}>
        {asText(column.name)} <span className="muted">{asText(column.kind)}</span>
      </h3>
      <p className="muted num">
        {isNear ? "about " : ""}
        {count(asNumber(distinct.count) || 0, "distinct value")}
        {missing > 0 && <span className="warn"> · {count(missing, "missing", "missing")} ({percent(missing / rows)})</span>}
        {Number.isFinite(asNumber(column.total_size)) && ` · ${bytes(asNumber(column.total_size))}`}
      </p>
      {numbers && !isObject(column.balance) && <Spread of={numbers} label={`${asText(column.name)}: values`} show={number} />}
      <Values column={column} />
      {lengths && <Spread of={lengths} label={`${asText(column.name)}: lengths`} show={number} title="lengths" />}
      {sizes && asNumber(sizes.minimum) !== asNumber(sizes.maximum) && (
        <Spread of={sizes} label={`${asText(column.name)}: sizes`} show={asText(column.size_unit) === "bytes" ? bytes : number} title="sizes" />
      )}
      {(["shapes", "mime_types"] as const).map((name) => {
        const all = Array.isArray(column[name]) ? column[name].filter(isObject) : [];
        if (all.length === 0) return null;
        return (
          <p key={name} className="muted">
            {name === "shapes" ? "shapes" : "kinds"}: {all.slice(0, 4).map((each) => `${asText(each.value)} (${percent(asNumber(each.share), 0)})`).join(", ")}
          </p>
        );
      })}
    </article>
  );
}

function Values({ column }: { column: Found }): ReactNode {
  const top = isObject(column.top) ? column.top : {};
  const balance = isObject(column.balance) ? column.balance : {};
  const values = Array.isArray(balance.classes) ? balance.classes : Array.isArray(top.values) ? top.values : [];
  const bars = values.filter(isObject).map((each) => ({ text: asText(each.value), count: asNumber(each.count) }));
  if (bars.length === 0 || (isObject(column.numbers) && !Array.isArray(balance.classes))) return null;
  return <ValueBars bars={bars.slice(0, 12)} />;
}

function Spread({ of, label, show, title = "" }: { of: Found; label: string; show: (value: number) => string; title?: string }): ReactNode {
  const histogram = isObject(of.histogram) ? of.histogram : {};
  const counts = Array.isArray(histogram.counts) ? histogram.counts.map(asNumber) : [];
  const edges = Array.isArray(histogram.edges) ? histogram.edges.map(asNumber) : [];
  const bars = counts.map((each, at) => ({ low: edges[at] ?? 0, high: edges[at + 1] ?? 0, count: each }));
  return (
    <>
      {bars.length > 1 && <Histogram bars={bars} label={label} />}
      <p className="muted num">
        {title && `${title}: `}
        {show(asNumber(of.minimum))} … {show(asNumber(of.maximum))}, mean {show(asNumber(of.mean))}
        {Number.isFinite(asNumber(of.std)) && ` ± ${show(asNumber(of.std))}`}
      </p>
    </>
  );
}
