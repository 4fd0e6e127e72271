/** An image with zoom and, over it, the boxes and polygons of its row, class by class. */

import { useState, type ReactNode } from "react";

import { asNumber, hrefOf, isObject, type Box, type Cell } from "../lib/cell";
import { isSmall, mediaName, stretch } from "./CellView";

const COLOURS = ["#ff4d5e", "#2f9bff", "#19b36b", "#ff9f1a", "#a55bff", "#00b8c4", "#e255b4", "#9aa800"];
const ZOOMS = [0.25, 0.5, 1, 2, 4, 8, 16, 32];

export function ImageView({ cell, name, boxes }: { cell: Cell | undefined; name: string; boxes: readonly Box[] }): ReactNode {
  const [size, setSize] = useState(() => sizeOf(cell));
  const [zoom, setZoom] = useState<number | null>(null);
  const [isBad, setBad] = useState(false);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const href = hrefOf(cell);
  if (href === "") return <p className="muted">{mediaName(cell)}: nothing is fetched from elsewhere</p>;
  if (isBad)
    return (
      <p className="bad" role="alert">
        {name}: this image cannot be decoded; it is damaged, or of a kind that browsers do not show
      </p>
    );
  const labels = [...new Set(boxes.map((each) => each.label))];
  const shown = zoom ?? (size === null ? 1 : fitting(size));
  const step = (by: number): void => {
    const at = ZOOMS.findIndex((each) => each >= shown);
    setZoom(ZOOMS[Math.max(0, Math.min(ZOOMS.length - 1, at + by))] ?? 1);
  };
  return (
    <div className="viewer">
      <div className="stage">
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
          {size !== null && boxes.length > 0 && (
            <svg viewBox={`0 0 ${size.width} ${size.height}`} aria-label={`${boxes.length} boxes`} role="img">
              {boxes.filter((each) => !hidden.has(each.label)).map((each, place) => (
                <Shape key={place} box={each} colour={colourOf(labels, each.label)} />
              ))}
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
        {labels.map((label) => (
          <button
            key={label}
            type="button"
            className="button small"
            aria-pressed={!hidden.has(label)}
            onClick={() => setHidden(toggled(hidden, label))}
          >
            <i style={{ width: 10, height: 10, background: colourOf(labels, label) }} />
            {label || "boxes"}
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

function Shape({ box, colour }: { box: Box; colour: string }): ReactNode {
  const paint = { stroke: colour, fill: `${colour}22` };
  const title = <title>{box.label || "box"}</title>;
  if (box.points)
    return (
      <polygon points={box.points.map((each) => each.join(",")).join(" ")} style={paint}>
        {title}
      </polygon>
    );
  return (
    <rect x={box.x} y={box.y} width={Math.max(0, box.width)} height={Math.max(0, box.height)} style={paint}>
      {title}
    </rect>
  );
}

function fitting(size: { width: number; height: number }): number {
  const fit = Math.min(540 / size.width, 420 / size.height);
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
