/** How the values of a column spread, over the rows that the filter leaves; a bar that is pressed becomes part of the filter. */

import { useState, type ReactNode } from "react";

import type { BinView, ColumnView } from "../../api/schema";
import { useHistogram } from "../../api/tables";
import { Histogram, ValueBars } from "../../components/Bars";
import { Popover } from "../../components/Popover";
import { Loaded } from "../../components/states";
import { asText, plain, type Cell } from "../../lib/cell";
import { count } from "../../lib/format";
import { both, column as written, equals } from "../../lib/where";
import { isInner } from "../rows/columns";

interface Props {
  job: string;
  table: string;
  where: string;
  columns: readonly ColumnView[];
  onFilter: (where: string) => void;
}

export function Spread(props: Props): ReactNode {
  return (
    <Popover label="Distribution">
      {(close) => (
        <Panel
          {...props}
          onFilter={(where) => {
            close();
            props.onFilter(where);
          }}
        />
      )}
    </Popover>
  );
}

function Panel({ job, table, where, columns, onFilter }: Props): ReactNode {
  const usable = columns.filter((each) => !each.kind.startsWith("media:"));
  const first = usable.find((each) => !isInner(each.name) && each.name.startsWith("output")) ?? usable.find((each) => !isInner(each.name)) ?? usable[0];
  const [name, setName] = useState(first?.name ?? "");
  const histogram = useHistogram(job, name, { table, where });
  return (
    <div style={{ display: "grid", gap: 10, width: "min(380px, 85vw)" }}>
      <select className="select" aria-label="Column" value={name} onChange={(event) => setName(event.target.value)}>
        {usable.map((each) => (
          <option key={each.name}>{each.name}</option>
        ))}
      </select>
      <Loaded query={histogram} rows={3}>
        {(found) => (
          <>
            <BinBars bins={found.bins} label={`${found.column} of ${count(found.total, "row")}`} onPick={(bin) => onFilter(both(where, condition(name, bin, bin === found.bins.at(-1))))} />
            <p className="muted">
              {found.missing > 0 && `${count(found.missing, "row")} without a value. `}
              {found.other > 0 && `${count(found.other, "row")} with other values. `}
              Press a bar to see its rows.
            </p>
          </>
        )}
      </Loaded>
    </div>
  );
}

export function BinBars({ bins, label, onPick }: { bins: readonly BinView[]; label: string; onPick: (bin: BinView) => void }): ReactNode {
  if (bins.length === 0) return <p className="muted">No values.</p>;
  if (bins.every((each) => each.low !== null && each.high !== null))
    return (
      <Histogram
        label={label}
        bars={bins.map((each) => ({ low: each.low ?? 0, high: each.high ?? 0, count: each.count }))}
        onPick={(bar) => {
          const found = bins.find((each) => each.low === bar.low);
          if (found) onPick(found);
        }}
      />
    );
  return (
    <ValueBars
      bars={bins.map((each) => ({ text: asText(each.value as Cell), count: each.count }))}
      onPick={(place) => {
        const found = bins[place];
        if (found) onPick(found);
      }}
    />
  );
}

/** The rows of a bar, as a filter. */
export function condition(name: string, bin: BinView, isLast: boolean): string {
  if (bin.low === null || bin.high === null) return equals(name, plain(bin.value as Cell));
  return `${written(name)} >= ${bin.low} and ${written(name)} ${isLast ? "<=" : "<"} ${bin.high}`;
}
