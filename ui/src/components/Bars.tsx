/** Histograms as plain elements: no library, and every bar can be pressed. */

import type { ReactNode } from "react";

import { count as counted, number } from "../lib/format";

export interface Bar {
  low: number;
  high: number;
  count: number;
}

/** Numbers in ranges. */
export function Histogram({ bars, label, onPick }: { bars: readonly Bar[]; label: string; onPick?: (bar: Bar) => void }): ReactNode {
  const most = Math.max(1, ...bars.map((each) => each.count));
  return (
    <figure style={{ margin: 0 }}>
      <div className="bars" role={onPick ? "group" : "img"} aria-label={label}>
        {bars.map((each) => {
          const said = `${number(each.low)} to ${number(each.high)}: ${counted(each.count, "row")}`;
          const fill = <i style={{ height: `${(each.count / most) * 100}%` }} />;
          return onPick ? (
            <button key={each.low} type="button" title={said} aria-label={said} onClick={() => onPick(each)}>
              {fill}
            </button>
          ) : (
            <span key={each.low} title={said}>
              {fill}
            </span>
          );
        })}
      </div>
      <div className="axis" aria-hidden="true">
        <span>{number(bars[0]?.low ?? 0)}</span>
        <span>{number(bars.at(-1)?.high ?? 0)}</span>
      </div>
    </figure>
  );
}

export interface ValueBar {
  text: string;
  count: number;
}

/** Values with how often each is there. */
export function ValueBars({ bars, onPick }: { bars: readonly ValueBar[]; onPick?: (place: number) => void }): ReactNode {
  const most = Math.max(1, ...bars.map((each) => each.count));
  return (
    <div className="value-bars">
      {bars.map((each, place) => (
        <ValueLine key={place} bar={each} share={each.count / most} onPick={onPick && (() => onPick(place))} />
      ))}
    </div>
  );
}

function ValueLine({ bar, share, onPick }: { bar: ValueBar; share: number; onPick: (() => void) | undefined }): ReactNode {
  const text = bar.text === "" ? "(empty)" : bar.text;
  return (
    <>
      {onPick ? (
        <button type="button" className="link-button clip" title={text} onClick={onPick}>
          {text}
        </button>
      ) : (
        <span className="clip" title={text}>
          {text}
        </span>
      )}
      <span className="fill" style={{ width: `${share * 100}%` }} />
      <span className="num muted" style={{ textAlign: "right" }}>
        {number(bar.count)}
      </span>
    </>
  );
}
