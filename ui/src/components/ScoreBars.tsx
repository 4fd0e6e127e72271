/** How scores spread: positive rows above the line, others below, and a mark where the threshold stands. */

import type { ReactNode } from "react";

import { count, number } from "../lib/format";
import type { Bar } from "../lib/threshold";

interface Props {
  bars: readonly Bar[];
  threshold: number;
  label: string;
  /** Names of what is above and below the line; without the second everything stands above. */
  names: readonly [string, string | null];
  onPick?: ((bar: Bar, isLast: boolean) => void) | undefined;
}

export function ScoreBars({ bars, threshold, label, names, onPick }: Props): ReactNode {
  const most = (of: "positive" | "negative"): number => Math.max(1, ...bars.map((each) => each[of]));
  const [up, down] = [most("positive"), most("negative")];
  const [low, high] = [bars[0]?.low ?? 0, bars.at(-1)?.high ?? 1];
  const share = Math.max(0, Math.min(1, (threshold - low) / (high - low || 1)));
  return (
    <figure style={{ margin: 0 }}>
      <div className="score-bars" role={onPick ? "group" : "img"} aria-label={label}>
        {bars.map((each, place) => {
          const said = `${number(each.low)} to ${number(each.high)}: ${count(each.positive, "row")} ${names[0]}${names[1] === null ? "" : `, ${number(each.negative)} ${names[1]}`}`;
          const inner = (
            <>
              <span className="up">
                <i style={{ height: `${(each.positive / up) * 100}%` }} />
              </span>
              {names[1] !== null && (
                <span className="down">
                  <i style={{ height: `${(each.negative / down) * 100}%` }} />
                </span>
              )}
            </>
          );
          return onPick ? (
            <button key={each.low} type="button" title={said} aria-label={said} onClick={() => onPick(each, place === bars.length - 1)}>
              {inner}
            </button>
          ) : (
            <div key={each.low} title={said}>
              {inner}
            </div>
          );
        })}
        <span className="at" style={{ left: `${share * 100}%` }} aria-hidden="true" />
      </div>
      <div className="axis" aria-hidden="true">
        <span>{number(low)}</span>
        <span>
          ▲ {names[0]}
          {names[1] !== null && `, ▼ ${names[1]}`}, each at its own scale
        </span>
        <span>{number(high)}</span>
      </div>
    </figure>
  );
}
