/** Text: its beginning stands in the row, the rest is read when asked for. HTML in it is shown as the text that it is. */

import { useState, type ReactNode } from "react";

import { asNumber, asText, hrefOf, isObject, typeOf, type Cell } from "../lib/cell";
import { count } from "../lib/format";

/** Characters that are read at a time. */
const MOST = 500_000;

export function TextView({ cell, name }: { cell: Cell | undefined; name: string }): ReactNode {
  const [whole, setWhole] = useState<string | null>(null);
  const [failed, setFailed] = useState("");
  const href = hrefOf(cell);
  const begun = isObject(cell) ? cell.value : cell;
  const isCut = href !== "" && (typeOf(cell) === "long_text" || begun === undefined || isObject(begun));
  const text = whole ?? asText(begun);
  const read = async (): Promise<void> => {
    const answer = await fetch(href, { headers: { range: `bytes=0-${MOST - 1}` } });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    setWhole(await answer.text());
  };
  return (
    <div className="viewer">
      <div className="text-box" role="region" aria-label={name} tabIndex={0}>
        {text === "" ? <span className="muted">(empty)</span> : text}
        {isCut && whole === null && "…"}
      </div>
      {isCut && whole === null && (
        <button type="button" className="button small" onClick={() => void read().catch((error: unknown) => setFailed(String(error)))}>
          Show all{isObject(cell) && Number.isFinite(asNumber(cell.length)) ? ` ${count(asNumber(cell.length), "character")}` : ""}
        </button>
      )}
      {failed && <p className="bad">{failed}</p>}
    </div>
  );
}
