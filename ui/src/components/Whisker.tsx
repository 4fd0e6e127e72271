/** An interval drawn on a scale, with its point and, where the scale holds it, zero. Beside it stands the same in figures. */

import type { ReactNode } from "react";

interface Props {
  low: number;
  high: number;
  value: number;
  from: number;
  to: number;
}

export function Whisker({ low, high, value, from, to }: Props): ReactNode {
  const place = (at: number): number => Math.max(0, Math.min(100, ((at - from) / (to - from || 1)) * 100));
  return (
    <div className="whisker" aria-hidden="true">
      <span className="track" />
      {from < 0 && to > 0 && <span className="zero" style={{ left: `${place(0)}%` }} />}
      <span className="range" style={{ left: `${place(low)}%`, width: `${place(high) - place(low)}%` }} />
      <span className="point" style={{ left: `${place(value)}%` }} />
    </div>
  );
}
