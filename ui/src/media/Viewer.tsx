/** A cell whole: one viewer per kind. What is large is read when it is shown; nothing of it is run. */

import type { ReactNode } from "react";

import { asNumbers, asText, boxesOf, isObject, kindOf, plain, type Cell, type Row } from "../lib/cell";
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
  /** The other cells of its row: boxes among them are drawn over images. */
  row?: Row;
}

export function Viewer({ cell, name, row }: Props): ReactNode {
  switch (kindOf(cell)) {
    case "image":
      return <ImageView cell={cell} name={name} boxes={boxesOf(row ?? {})} />;
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
      return <Tree value={plain(cell ?? null)} />;
    default:
      return <CellView cell={cell} />;
  }
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
