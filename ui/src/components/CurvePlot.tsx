/** Curves between 0 and 1, several over each other: drawn as plain elements, so that a mark on them moves at once. */

import { useState, type ReactNode } from "react";

import type { Point } from "../lib/threshold";
import { number } from "../lib/format";

export const CURVE_COLOURS = ["#2f6fe0", "#d9480f", "#148a4a", "#a13bd1", "#b8860b", "#0c8f9c", "#d6336c", "#6b7785", "#5c7f00", "#8a4b2a"];

export interface Curve {
  name: string;
  /** By itself that of its place. */
  colour?: string;
  points: readonly Point[];
  /** Where the mark stands. */
  mark?: Point | undefined;
}

interface Props {
  curves: readonly Curve[];
  label: string;
  x: string;
  y: string;
  /** Whether a line shows what chance would give. */
  diagonal?: boolean;
  /** Told the curve and the place of its point that is nearest to where it was pressed. */
  onPick?: (curve: number, place: number) => void;
}

const SIZE = 300;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

export function CurvePlot({ curves, label, x, y, diagonal, onPick }: Props): ReactNode {
  const [near, setNear] = useState<{ curve: number; place: number } | null>(null);
  const at = ([px, py]: Point): Point => [px * SIZE, SIZE - py * SIZE];
  const find = (event: React.PointerEvent<SVGSVGElement> | React.MouseEvent<SVGSVGElement>): { curve: number; place: number } | null => {
    const box = event.currentTarget.getBoundingClientRect();
    const [low, width] = [-44, SIZE + 56];
    const where: Point = [((event.clientX - box.left) / box.width) * width + low, ((event.clientY - box.top) / box.height) * (SIZE + 52) - 8];
    return nearestPoint(curves, where, at);
  };
  const shown = near === null ? undefined : curves[near.curve]?.points[near.place];
  return (
    <figure className="curve-plot">
      <svg
        viewBox={`-44 -8 ${SIZE + 56} ${SIZE + 52}`}
        role="img"
        aria-label={`${label}: ${curves.map((each) => each.name).join(", ")}`}
        style={onPick ? { cursor: "pointer" } : undefined}
        onPointerMove={(event) => setNear(find(event))}
        onPointerLeave={() => setNear(null)}
        onClick={(event) => {
          const found = find(event);
          if (found && onPick) onPick(found.curve, found.place);
        }}
      >
        {TICKS.map((tick) => (
          <g key={tick} className="grid-line">
            <line x1={tick * SIZE} x2={tick * SIZE} y1={0} y2={SIZE} />
            <line x1={0} x2={SIZE} y1={tick * SIZE} y2={tick * SIZE} />
            <text x={tick * SIZE} y={SIZE + 16} textAnchor="middle">
              {tick}
            </text>
            <text x={-8} y={SIZE - tick * SIZE + 4} textAnchor="end">
              {tick}
            </text>
          </g>
        ))}
        <text x={SIZE / 2} y={SIZE + 36} textAnchor="middle">
          {x}
        </text>
        <text transform={`translate(-34 ${SIZE / 2}) rotate(-90)`} textAnchor="middle">
          {y}
        </text>
        {diagonal && <line x1={0} y1={SIZE} x2={SIZE} y2={0} className="chance" />}
        {curves.map((each, place) => (
          <g key={each.name} style={{ color: each.colour ?? colourOf(place) }}>
            <polyline points={each.points.map((one) => at(one).map((value) => value.toFixed(1)).join(",")).join(" ")} />
            {each.mark && <circle cx={at(each.mark)[0]} cy={at(each.mark)[1]} r={5} />}
          </g>
        ))}
        {shown && <circle className="near" cx={at(shown)[0]} cy={at(shown)[1]} r={4} />}
      </svg>
      <figcaption>
        <ul className="legend">
          {curves.map((each, place) => (
            <li key={each.name}>
              <i style={{ background: each.colour ?? colourOf(place) }} />
              <span className="clip">{each.name}</span>
            </li>
          ))}
        </ul>
        <span className="muted num" style={{ minHeight: "1.4em", display: "block", textAlign: "left" }}>
          {shown && near ? `${curves[near.curve]?.name ?? ""}: ${x} ${number(shown[0])}, ${y} ${number(shown[1])}` : " "}
        </span>
      </figcaption>
    </figure>
  );
}

export function colourOf(place: number): string {
  return CURVE_COLOURS[place % CURVE_COLOURS.length] ?? "#2f6fe0";
}

function nearestPoint(curves: readonly Curve[], [x, y]: Point, at: (point: Point) => Point): { curve: number; place: number } | null {
  let best: { curve: number; place: number } | null = null;
  let least = 30 ** 2;
  curves.forEach((each, curve) =>
    each.points.forEach((point, place) => {
      const [px, py] = at(point);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least) [best, least] = [{ curve, place }, distance];
    }),
  );
  return best;
}
