/** Text: its beginning stands in the row, the rest is read when asked for. What looks like JSON or code is shown as such; HTML as the text that it is. */

import { useMemo, useState, type ReactNode } from "react";

import { Code } from "./Code";
import { asNumber, asText, hrefOf, isObject, typeOf, type Cell } from "../lib/cell";
import { count } from "../lib/format";
import { jsonOf, looksLike, type Look } from "../lib/looks";
import { Tree } from "./Tree";

/** Characters that are read at a time. */
const MOST = 500_000;

interface Props {
  cell: Cell | undefined;
  name: string;
}

/** What was read of one text is not shown of the next, where rows are stepped through. */
export function TextView(props: Props): ReactNode {
  return <Shown key={hrefOf(props.cell)} {...props} />;
}

function Shown({ cell, name }: Props): ReactNode {
  const [whole, setWhole] = useState<string | null>(null);
  const [failed, setFailed] = useState("");
  const href = hrefOf(cell);
  const begun = isObject(cell) ? cell.value : cell;
  const isCut = href !== "" && (typeOf(cell) === "long_text" || begun === undefined || isObject(begun));
  const text = whole ?? asText(begun);
  const look = useMemo(() => looksLike(text), [text]);
  const [chosen, setChosen] = useState<Look | null>(null);
  const shown = chosen === "words" ? chosen : look;
  const read = async (): Promise<void> => {
    const answer = await fetch(href, { headers: { range: `bytes=0-${MOST - 1}` } });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    setWhole(await answer.text());
  };
  return (
    <div className="viewer">
      {look !== "words" && (
        <div className="toolbar">
          {([["words", "Text"], [look, look === "json" ? "Tree" : "Code"]] as const).map(([each, title]) => (
            <button key={each} type="button" className="button small" aria-pressed={shown === each} onClick={() => setChosen(each)}>
              {title}
            </button>
          ))}
        </div>
      )}
      {shown === "json" ? (
        <Tree value={jsonOf(text)} />
      ) : shown === "code" ? (
        <Code text={text} label={name} />
      ) : (
        <div className="text-box" role="region" aria-label={name} tabIndex={0}>
          {text === "" ? <span className="muted">(empty)</span> : text}
          {isCut && whole === null && "…"}
        </div>
      )}
      {isCut && whole === null && (
        <button type="button" className="button small" onClick={() => void read().catch((error: unknown) => setFailed(String(error)))}>
          Show all{isObject(cell) && Number.isFinite(asNumber(cell.length)) ? ` ${count(asNumber(cell.length), "character")}` : ""}
        </button>
      )}
      {failed && <p className="bad">{failed}</p>}
    </div>
  );
}
