/** An image with zoom and, over it, the boxes, polygons and masks of its row: switched by class, and by whose they are. */

import { useCallback, useState, type ReactNode } from "react";

import { asNumber, hrefOf, isObject, type Cell } from "../lib/cell";
import type { Shape } from "../lib/shapes";
import { isSmall, mediaName, stretch } from "./CellView";
import { Mask } from "./Mask";

const COLOURS = ["#ff4d5e", "#2f9bff", "#19b36b", "#ff9f1a", "#a55bff", "#00b8c4", "#e255b4", "#9aa800"];
/** How the lines of the first, second, … source are drawn. */
const DASHES = ["none", "6 4", "2 3"];
const ZOOMS = [0.25, 0.5, 1, 2, 4, 8, 16, 32];

export function ImageView({ cell, name, shapes }: { cell: Cell | undefined; name: string; shapes: readonly Shape[] }): ReactNode {
  const [size, setSize] = useState(() => sizeOf(cell));
  const [zoom, setZoom] = useState<number | null>(null);
  const [room, setRoom] = useState(540);
  const measure = useCallback((stage: HTMLDivElement | null) => {
    if (stage) setRoom(Math.max(80, Math.min(540, stage.clientWidth)));
  }, []);
  const [isBad, setBad] = useState(false);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [values, setValues] = useState<Record<number, number[]>>({});
  const href = hrefOf(cell);
  if (href === "") return <p className="muted">{mediaName(cell)}: nothing is fetched from elsewhere</p>;
  if (isBad)
    return (
      <p className="bad" role="alert">
        {name}: this image cannot be decoded; it is damaged, or of a kind that browsers do not show
      </p>
    );
  const drawn = shapes.filter((each) => each.href === undefined || each.href !== href);
  const sources = [...new Set(drawn.map((each) => each.source))];
  const labels = [...new Set(drawn.flatMap((each, place) => (each.kind === "mask" && (values[place]?.length ?? 0) > 1 ? (values[place] ?? []).map((value) => classOf(each, value, true)) : [each.label])))];
  const isShown = (each: Shape, label: string): boolean => !hidden.has(`class ${label}`) && !hidden.has(`source ${each.source}`);
  const shown = zoom ?? (size === null ? 1 : fitting(size, room));
  const step = (by: number): void => {
    const at = ZOOMS.findIndex((each) => each >= shown);
    setZoom(ZOOMS[Math.max(0, Math.min(ZOOMS.length - 1, at + by))] ?? 1);
  };
  return (
    <div className="viewer">
      <div className="stage" ref={measure}>
        <div className="canvas">
          <img
            src={href}
            alt={mediaName(cell)}
            className={isSmall(cell) || shown >= 3 ? "pixels" : ""}
            style={size === null ? { maxWidth: "100%" } : { width: size.width * shown, height: size.height * shown }}
            onLoad={(event) => {
              setSize({ width: event.currentTarget.naturalWidth, height: event.currentTarget.naturalHeight });
              if (isSmall(cell)) stretch(event.currentTarget);
            }}
            onError={() => setBad(true)}
          />
          {size !== null &&
            drawn.map((each, place) =>
              each.kind === "mask" ? (
                <Mask
                  key={place}
                  shape={each}
                  width={size.width * shown}
                  height={size.height * shown}
                  onValues={(found) => setValues((before) => ({ ...before, [place]: found }))}
                  colour={(value) => {
                    const label = classOf(each, value, (values[place]?.length ?? 0) > 1);
                    return isShown(each, label) ? colourOf(labels, label) : null;
                  }}
                />
              ) : null,
            )}
          {size !== null && drawn.some((each) => each.kind !== "mask") && (
            <svg viewBox={`0 0 ${size.width} ${size.height}`} aria-label={`${drawn.length} shapes`} role="img">
              {drawn.map((each, place) => (each.kind !== "mask" && isShown(each, each.label) ? <Outline key={place} shape={each} colour={colourOf(labels, each.label)} dash={DASHES[sources.indexOf(each.source)] ?? "1 5"} size={size} /> : null))}
            </svg>
          )}
        </div>
      </div>
      <div className="toolbar">
        <button type="button" className="button small" onClick={() => step(-1)} aria-label="Smaller">
          −
        </button>
        <span className="num">{Math.round(shown * 100)} %</span>
        <button type="button" className="button small" onClick={() => step(1)} aria-label="Larger">
          +
        </button>
        <button type="button" className="button small" onClick={() => setZoom(null)}>
          Fit
        </button>
        {size !== null && (
          <span className="muted num">
            {size.width} × {size.height}
          </span>
        )}
        {sources.length > 1 &&
          sources.map((source, place) => (
            <button key={source} type="button" className="button small" aria-pressed={!hidden.has(`source ${source}`)} onClick={() => setHidden(toggled(hidden, `source ${source}`))}>
              <svg width={22} height={6} aria-hidden="true">
                <line x1={0} x2={22} y1={3} y2={3} stroke="currentColor" strokeWidth={2} strokeDasharray={DASHES[place] ?? "1 5"} />
              </svg>
              {source}
            </button>
          ))}
        {labels.map((label) => (
          <button key={label} type="button" className="button small" aria-pressed={!hidden.has(`class ${label}`)} onClick={() => setHidden(toggled(hidden, `class ${label}`))}>
            <i style={{ width: 10, height: 10, background: colourOf(labels, label) }} />
            {label || "shapes"}
          </button>
        ))}
      </div>
    </div>
  );
}

/** Its size, where the value says it: the page does not jump when the image comes. */
function sizeOf(cell: Cell | undefined): { width: number; height: number } | null {
  const [height = Number.NaN, width = Number.NaN] = isObject(cell) && Array.isArray(cell.shape) ? cell.shape.map(asNumber) : [];
  return width > 0 && height > 0 ? { width, height } : null;
}

/** The class of a value of a mask: one with a single value has one class. */
function classOf(shape: Shape, value: number, isOfMany: boolean): string {
  return isOfMany ? `${shape.label} ${value}` : shape.label;
}

function Outline({ shape, colour, dash, size }: { shape: Shape; colour: string; dash: string; size: { width: number; height: number } }): ReactNode {
  const isOpen = shape.kind === "line";
  const paint = { stroke: colour, fill: isOpen ? "none" : `${colour}22`, strokeDasharray: dash };
  const title = <title>{[shape.label || shape.kind, shape.source].filter(Boolean).join(", ")}</title>;
  if (shape.kind === "point")
    return (
      <circle cx={shape.x} cy={shape.y} r={Math.max(size.width, size.height) / 100} style={{ ...paint, fill: colour }}>
        {title}
      </circle>
    );
  if (shape.points) {
    const points = shape.points.map((each) => each.join(",")).join(" ");
    return isOpen ? (
      <polyline points={points} style={paint}>
        {title}
      </polyline>
    ) : (
      <polygon points={points} style={paint}>
        {title}
      </polygon>
    );
  }
  return (
    <rect x={shape.x} y={shape.y} width={Math.max(0, shape.width)} height={Math.max(0, shape.height)} style={paint}>
      {title}
    </rect>
  );
}

function fitting(size: { width: number; height: number }, room: number): number {
  const fit = Math.min(room / size.width, 420 / size.height);
  return fit >= 1 ? Math.min(16, Math.floor(fit)) : fit;
}

function colourOf(labels: readonly string[], label: string): string {
  return COLOURS[labels.indexOf(label) % COLOURS.length] ?? "#ff4d5e";
}

function toggled(all: ReadonlySet<string>, one: string): ReadonlySet<string> {
  const next = new Set(all);
  if (!next.delete(one)) next.add(one);
  return next;
}
