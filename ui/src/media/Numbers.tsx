/** A list of numbers, drawn and written: probabilities, scores, embeddings. */

import type { ReactNode } from "react";

import { number } from "../lib/format";

/** Numbers that are drawn one by one. */
const DRAWN = 120;
/** Numbers that are written under their bars. */
const NAMED = 12;

export function Numbers({ numbers }: { numbers: readonly number[] }): ReactNode {
  const text = numbers.slice(0, 200).map(number).join(", ");
  if (numbers.length > DRAWN) return <div className="text-box mono">[{text}{numbers.length > 200 ? ", …" : ""}]</div>;
  return (
    <div className="numbers">
      <Spark numbers={numbers} height={44} />
      {numbers.length <= NAMED ? (
        <div className="numbers-named">
          {numbers.map((each, place) => (
            <span key={place} className="num">
              <b title={number(each)}>{brief(each)}</b>
              <br />
              <span className="muted">{place}</span>
            </span>
          ))}
        </div>
      ) : (
        <div className="mono muted">[{text}]</div>
      )}
    </div>
  );
}

/** With as many figures as fit under a bar. */
function brief(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1000) return String(value);
  return Math.abs(value) < 1000 ? value.toFixed(2) : value.toPrecision(2);
}

/** Small bars, the largest marked. */
export function Spark({ numbers, height = 22 }: { numbers: readonly number[]; height?: number }): ReactNode {
  const low = Math.min(0, ...numbers);
  const high = Math.max(0, ...numbers);
  const top = Math.max(...numbers);
  const share = (value: number): number => ((value - low) / (high - low || 1)) * 100;
  return (
    <span className="spark" style={{ height }} role="img" aria-label={`${numbers.length} numbers, largest ${number(top)} at ${numbers.indexOf(top)}`}>
      {numbers.map((each, place) => (
        <i key={place} className={each === top ? "top" : ""} style={{ height: `${Math.max(3, share(each))}%` }} />
      ))}
    </span>
  );
}
