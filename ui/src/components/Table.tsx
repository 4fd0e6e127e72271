/** A table of any length: only what is in sight is drawn. Arrows move, Enter opens, Space chooses; columns are sorted, sized and pinned. */

import { useCallback, useEffect, useId, useLayoutEffect, useRef, useState, type CSSProperties, type KeyboardEvent, type ReactNode } from "react";

import { scrollTo, windowOf } from "../lib/windowing";

export interface Column<T> {
  id: string;
  title: string;
  /** Said when the pointer rests on the title. */
  hint?: string;
  /** Pixels. */
  width: number;
  align?: "right";
  sortable?: boolean;
  /** Stays in sight when the table is moved sideways. */
  pinned?: boolean;
  cell: (row: T, index: number) => ReactNode;
}

export interface Sort {
  column: string;
  descending: boolean;
}

interface Props<T> {
  label: string;
  columns: readonly Column<T>[];
  rowCount: number;
  /** The row, or undefined while it is on its way. */
  rowAt: (index: number) => T | undefined;
  /** Rows that are in sight. */
  onSight?: (first: number, end: number) => void;
  rowHeight?: number;
  sort?: Sort | null;
  onSort?: (sort: Sort) => void;
  onOpen?: (row: T, index: number) => void;
  onChoose?: (row: T) => void;
  isChosen?: (row: T) => boolean;
  /** Most pixels of height; the table is shorter where it has few rows. */
  height?: string;
  /** Without the line of titles, which a screen reader still reads. */
  isHeadless?: boolean;
  widths?: Record<string, number>;
  onWidth?: (column: string, width: number) => void;
}

const HEAD = 37;

export function Table<T>(props: Props<T>): ReactNode {
  const { columns, rowCount, rowAt, rowHeight = 36, onSight } = props;
  const head = props.isHeadless ? 0 : HEAD;
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ scrollTop: 0, height: 600 });
  const [active, setActive] = useState(-1);
  const seen = windowOf(view, rowCount, rowHeight);
  const widthOf = (column: Column<T>): number => props.widths?.[column.id] ?? column.width;
  const template = tracksOf(columns, widthOf);
  const lefts = pinnedLefts(columns, widthOf);

  const measure = useCallback(() => {
    const at = box.current;
    if (at) setView({ scrollTop: at.scrollTop, height: Math.max(100, at.clientHeight - head) });
  }, [head]);
  useLayoutEffect(() => {
    const at = box.current;
    if (!at) return undefined;
    const observer = new ResizeObserver(measure);
    observer.observe(at);
    return () => observer.disconnect();
  }, [measure]);
  useEffect(() => onSight?.(seen.first, seen.end), [onSight, seen.first, seen.end]);

  const move = (to: number): void => {
    const next = Math.max(0, Math.min(rowCount - 1, to));
    setActive(next);
    const at = box.current;
    if (!at) return;
    const top = scrollTo(next, rowCount, rowHeight, view.height);
    if (top < at.scrollTop) at.scrollTop = top;
    else if (top > at.scrollTop + view.height - rowHeight) at.scrollTop = top - view.height + rowHeight;
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.floor(view.height / rowHeight);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rowCount, End: rowCount };
    const step = steps[event.key];
    if (step !== undefined) move(active + step);
    else {
      const row = active >= 0 ? rowAt(active) : undefined;
      if (row === undefined) return;
      if (event.key === "Enter" && props.onOpen) props.onOpen(row, active);
      else if (event.key === " " && props.onChoose) props.onChoose(row);
      else return;
    }
    event.preventDefault();
  };

  const rows: ReactNode[] = [];
  for (let index = seen.first; index < seen.end; index += 1) {
    const row = rowAt(index);
    const isChosen = row !== undefined && props.isChosen?.(row) === true;
    const style = ["vt-row", row !== undefined && props.onOpen ? "opens" : "", index === active ? "active" : "", isChosen ? "chosen" : ""];
    rows.push(
      <div
        key={index}
        id={`${id}-${index}`}
        role="row"
        aria-rowindex={index + 2}
        aria-selected={props.onChoose ? isChosen : undefined}
        className={style.join(" ")}
        style={{ gridTemplateColumns: template, height: rowHeight }}
        onClick={(event) => {
          if (row === undefined || (event.target as Element).closest("a, button, input, label")) return;
          if (window.getSelection()?.isCollapsed === false) return; // text is being marked
          setActive(index);
          props.onOpen?.(row, index);
        }}
      >
        {columns.map((each, place) => (
          <div key={each.id} role="gridcell" aria-colindex={place + 1} className={cellClass(each)} style={leftStyle(lefts[place])}>
            {row === undefined ? <span className="skeleton" style={{ width: "60%", height: 12 }} /> : each.cell(row, index)}
          </div>
        ))}
      </div>,
    );
  }

  return (
    <div
      ref={box}
      className="vt"
      role="grid"
      tabIndex={0}
      aria-label={props.label}
      aria-rowcount={rowCount + 1}
      aria-colcount={columns.length}
      aria-activedescendant={active >= seen.first && active < seen.end ? `${id}-${active}` : undefined}
      style={{ maxHeight: props.height ?? "calc(100vh - 220px)", minHeight: Math.min(rowCount, 4, Math.ceil(160 / rowHeight)) * rowHeight + head + 2 }}
      onScroll={measure}
      onKeyDown={onKeyDown}
    >
      <div className={props.isHeadless ? "sr-only" : "vt-head"} role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
        {columns.map((each, place) => (
          <Head key={each.id} column={each} place={place} left={lefts[place]} width={widthOf(each)} {...props} />
        ))}
      </div>
      <div role="rowgroup" style={{ height: seen.total, position: "relative" }}>
        <div style={{ position: "absolute", top: 0, left: 0, minWidth: "100%", transform: `translateY(${seen.top}px)` }}>{rows}</div>
      </div>
    </div>
  );
}

interface HeadProps<T> extends Props<T> {
  column: Column<T>;
  place: number;
  left: number | undefined;
  width: number;
}

function Head<T>({ column, place, left, width, sort, onSort, onWidth }: HeadProps<T>): ReactNode {
  const direction = sort?.column === column.id ? (sort.descending ? "descending" : "ascending") : "none";
  const isSortable = column.sortable === true && onSort !== undefined;
  const title = <span className="clip">{column.title}</span>;
  return (
    <div
      role="columnheader"
      aria-colindex={place + 1}
      aria-sort={isSortable ? direction : undefined}
      className={cellClass(column)}
      style={leftStyle(left)}
      title={column.hint ?? column.title}
    >
      {isSortable ? (
        <button
          type="button"
          className="vt-sort"
          onClick={() => onSort({ column: column.id, descending: direction === "none" ? column.align === "right" : direction === "ascending" })}
        >
          {title}
          <span aria-hidden="true">{direction === "none" ? "" : direction === "descending" ? "↓" : "↑"}</span>
        </button>
      ) : (
        <span className="plain clip">{column.title}</span>
      )}
      {onWidth && <Grip width={width} onWidth={(next) => onWidth(column.id, next)} />}
    </div>
  );
}

function Grip({ width, onWidth }: { width: number; onWidth: (width: number) => void }): ReactNode {
  const begun = useRef<{ x: number; width: number } | null>(null);
  return (
    <span
      className="vt-grip"
      aria-hidden="true"
      onPointerDown={(event) => {
        begun.current = { x: event.clientX, width };
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        if (begun.current) onWidth(Math.max(60, Math.round(begun.current.width + event.clientX - begun.current.x)));
      }}
      onPointerUp={() => (begun.current = null)}
      onPointerCancel={() => (begun.current = null)}
    />
  );
}

/** Widths of a row: what is left goes to the last column, or behind it where that holds numbers, which would end far from the others. */
function tracksOf<T>(columns: readonly Column<T>[], widthOf: (column: Column<T>) => number): string {
  const last = columns.at(-1);
  const tracks = columns.map((each) => (each === last && each.align !== "right" ? `minmax(${widthOf(each)}px, 1fr)` : `${widthOf(each)}px`));
  return [...tracks, ...(last?.align === "right" ? ["1fr"] : [])].join(" ");
}

function cellClass<T>(column: Column<T>): string {
  return `vt-cell${column.align === "right" ? " right" : ""}${column.pinned ? " pinned" : ""}`;
}

function leftStyle(left: number | undefined): CSSProperties | undefined {
  return left === undefined ? undefined : ({ "--left": `${left}px` } as CSSProperties);
}

function pinnedLefts<T>(columns: readonly Column<T>[], widthOf: (column: Column<T>) => number): (number | undefined)[] {
  let left = 0;
  return columns.map((each) => {
    if (!each.pinned) return undefined;
    const here = left;
    left += widthOf(each);
    return here;
  });
}
