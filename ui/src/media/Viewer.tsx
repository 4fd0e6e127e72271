/** A cell whole: one viewer per kind. What is large is read when it is shown; nothing of it is run. */

import type { ReactNode } from "react";

import { asNumbers, asText, isObject, kindOf, plain, typeOf, type Cell, type Row } from "../lib/cell";
import { shapesOf, type Shape } from "../lib/shapes";
import { AudioView, VideoView } from "./Sound";
import { CellView } from "./CellView";
import { ImageView } from "./ImageView";
import { Conversation, isConversation } from "./Conversation";
import { Numbers } from "./Numbers";
import { TextView } from "./TextView";
import { Tree } from "./Tree";

interface Props {
  cell: Cell | undefined;
  name: string;
  /** The other cells of its row: shapes among them are drawn over images. */
  row?: Row;
  /** What is drawn over images instead. */
  shapes?: readonly Shape[];
}

export function Viewer({ cell, name, row, shapes }: Props): ReactNode {
  if (typeOf(cell) === "link") return <LinkView cell={cell} />;
  switch (kindOf(cell)) {
    case "image":
      return <ImageView cell={cell} name={name} shapes={shapes ?? shapesOf(row ?? {})} />;
    case "audio":
      return <AudioView cell={cell} name={name} />;
    case "video":
      return <VideoView cell={cell} name={name} />;
    case "text":
      return <TextView cell={cell} name={name} />;
    case "bytes":
      return <Bytes cell={cell} name={name} />;
    case "error":
      return (
        <p className="bad" role="alert">
          {asText(cell)}
        </p>
      );
    case "list":
    case "object":
      if (asNumbers(cell)) return <Numbers numbers={asNumbers(cell) ?? []} />;
      if (cell !== undefined && isConversation(cell)) return <Conversation cell={cell} />;
      if (cell !== undefined && typeOf(cell) === "" && holdsMedia(cell)) return <Within cell={cell} name={name} {...(row ? { row } : {})} {...(shapes ? { shapes } : {})} />;
      return <Tree value={plain(cell ?? null)} />;
    default:
      return <CellView cell={cell} />;
  }
}

const MEDIA = new Set(["image", "audio", "video", "text", "bytes"]);

/** Whether something lies in a value that has a viewer of its own. */
function holdsMedia(cell: Cell): boolean {
  if (Array.isArray(cell)) return cell.some(holdsMedia);
  if (!isObject(cell)) return false;
  return typeOf(cell) === "" ? Object.values(cell).some(holdsMedia) : MEDIA.has(kindOf(cell)) && typeof cell.href === "string";
}

/** A value that holds media: each part by itself, as its own viewer shows it. */
function Within({ cell, name, ...rest }: Props & { cell: Cell }): ReactNode {
  const parts: [string, Cell][] = Array.isArray(cell) ? cell.map((each, place) => [String(place), each]) : Object.entries(isObject(cell) ? cell : {});
  return (
    <div className="within">
      {parts.map(([each, part]) => (
        <div key={each} className="field">
          <span className="name">{each}</span>
          <Viewer cell={part} name={`${name}/${each}`} {...rest} />
        </div>
      ))}
    </div>
  );
}

/** Where content lies; nothing of it is fetched. What a browser can open is opened when it is pressed, in a page of its own. */
function LinkView({ cell }: { cell: Cell | undefined }): ReactNode {
  const uri = isObject(cell) ? asText(cell.uri) : "";
  return (
    <p style={{ overflowWrap: "anywhere" }}>
      {/^https?:\/\//i.test(uri) ? (
        <a href={uri} target="_blank" rel="noreferrer noopener">
          {uri}
        </a>
      ) : (
        <span className="mono">{uri}</span>
      )}
    </p>
  );
}

function Bytes({ cell, name }: { cell: Cell | undefined; name: string }): ReactNode {
  const href = isObject(cell) ? asText(cell.href) : "";
  return (
    <p>
      <CellView cell={cell} />{" "}
      {href.startsWith("/api/") && (
        <a href={href} download={name.replaceAll("/", "_")}>
          Download
        </a>
      )}
    </p>
  );
}
