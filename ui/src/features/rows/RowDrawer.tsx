/** One row whole, at the side of its table: every cell with its viewer. `j` and `k` go on and back. */

import { useEffect, useRef, type ReactNode } from "react";

import { Drawer } from "../../components/Drawer";
import { asText, kindOf, type Cell, type Row } from "../../lib/cell";
import { duration } from "../../lib/format";
import { Viewer } from "../../media/Viewer";
import { isInner } from "./columns";

interface Props {
  title: string;
  row: Row;
  onClose: () => void;
  onStep?: (by: number) => void;
}

export function RowDrawer({ title, row, onClose, onStep }: Props): ReactNode {
  const step = useRef(onStep);
  useEffect(() => {
    step.current = onStep;
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof HTMLElement && ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName)) return;
      if (event.key === "j") step.current?.(1);
      if (event.key === "k") step.current?.(-1);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  const actions = onStep && (
    <>
      <button type="button" className="button small" onClick={() => onStep(-1)} aria-label="Previous row" title="Previous row (k)">
        ↑
      </button>
      <button type="button" className="button small" onClick={() => onStep(1)} aria-label="Next row" title="Next row (j)">
        ↓
      </button>
    </>
  );
  return (
    <Drawer title={title} onClose={onClose} actions={actions}>
      <Fields row={row} />
    </Drawer>
  );
}

/** The cells of a row: what went wrong first, then inputs, then outputs, then the rest. */
export function Fields({ row }: { row: Row }): ReactNode {
  const entries = Object.entries(row).filter(([name]) => name !== "id" && name !== "__key");
  const own = entries.filter(([name, cell]) => !isInner(name) && kindOf(cell) !== "missing");
  own.sort(([a], [b]) => rank(a) - rank(b));
  const took = row.duration_seconds;
  return (
    <>
      {own.map(([name, cell]) => (
        <div key={name} className="field">
          <span className="name">{name}</span>
          <Field name={name} cell={cell} row={row} />
        </div>
      ))}
      <p className="muted">
        {asText(row.id)}
        {typeof took === "number" && ` · took ${duration(took)}`}
      </p>
    </>
  );
}

function Field({ name, cell, row }: { name: string; cell: Cell; row: Row }): ReactNode {
  return <Viewer cell={cell} name={name} row={row} />;
}

function rank(name: string): number {
  if (name.startsWith("error")) return 0;
  if (name.startsWith("input")) return 1;
  return name.startsWith("output") ? 2 : 3;
}
