/** A cell of a row: small, as a table shows it. */

import type { ReactNode } from "react";

import { asNumber, asNumbers, asText, hrefOf, isObject, kindOf, typeOf, type Cell } from "../lib/cell";
import { bytes, number } from "../lib/format";
import { Spark } from "./Numbers";

/** Characters that a table shows of a text. */
const SHOWN = 300;

export function CellView({ cell, format }: { cell: Cell | undefined; format?: ((value: number) => string) | undefined }): ReactNode {
  switch (kindOf(cell)) {
    case "missing":
      return (
        <span className="muted" aria-label="no value">
          –
        </span>
      );
    case "boolean":
      return <span className={cell === true ? "good" : "bad"}>{cell === true ? "✓ true" : "✗ false"}</span>;
    case "number": {
      const value = asNumber(cell);
      const said = isObject(cell) && Number.isFinite(value) ? asText(cell.value) : (format ?? number)(value);
      return <span className="num">{said}</span>;
    }
    case "image":
      return <Thumbnail cell={cell} />;
    case "audio":
    case "video":
      return <span className="muted clip">{mediaName(cell)}</span>;
    case "bytes":
      return <span className="muted">{isObject(cell) ? bytes(asNumber(cell.size_bytes)) : ""}</span>;
    case "error":
      return <span className="bad clip">{asText(cell)}</span>;
    case "list": {
      const numbers = asNumbers(cell);
      if (numbers && numbers.length <= 64) return <Spark numbers={numbers} />;
      return <Text cell={cell} />;
    }
    default:
      return <Text cell={cell} />;
  }
}

function Text({ cell }: { cell: Cell | undefined }): ReactNode {
  const text = asText(cell).slice(0, SHOWN);
  return (
    <span className="clip" title={text}>
      {text}
    </span>
  );
}

/** Images up to this size are shown as pixels, not smoothed. */
const PIXELS = 64;

export function isSmall(cell: Cell | undefined): boolean {
  const shape = isObject(cell) && Array.isArray(cell.shape) ? cell.shape.slice(0, 2).map(asNumber) : [];
  return shape.length === 2 && shape.every((each) => each > 0 && each <= PIXELS);
}

export function Thumbnail({ cell, size }: { cell: Cell | undefined; size?: number }): ReactNode {
  const href = hrefOf(cell);
  if (href === "") return <span className="muted clip">{mediaName(cell)}</span>;
  return (
    <img
      className={`thumb${isSmall(cell) ? " pixels" : ""}`}
      src={href}
      alt={mediaName(cell)}
      loading="lazy"
      decoding="async"
      style={size === undefined ? undefined : { height: size }}
      onLoad={(event) => {
        const image = event.currentTarget;
        if (Math.max(image.naturalWidth, image.naturalHeight) > PIXELS) return;
        image.classList.add("pixels");
        stretch(image);
      }}
      onError={(event) => {
        event.currentTarget.style.display = "none";
        event.currentTarget.insertAdjacentText("afterend", "damaged image");
      }}
    />
  );
}

/** What a media value is called: its name, or its kind and shape. */
export function mediaName(cell: Cell | undefined): string {
  if (!isObject(cell)) return "";
  const name = asText(cell.display_name);
  if (name !== "") return `${typeOf(cell)} ${name}`;
  const link = isObject(cell.link) ? asText(cell.link.uri) : "";
  if (link !== "") return link;
  const shape = Array.isArray(cell.shape) ? cell.shape.map(asText).filter((each) => each !== "").join("×") : "";
  return `${typeOf(cell)} ${shape}`.trim();
}

/** Brighten a small image that uses few of the shades, as digits of 16 shades do; else nothing is to be seen in it. */
export function stretch(image: HTMLImageElement): void {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  if (!context || canvas.width === 0) return;
  context.drawImage(image, 0, 0);
  const shades = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let brightest = 0;
  for (let at = 0; at < shades.length; at += 4) brightest = Math.max(brightest, shades[at] ?? 0, shades[at + 1] ?? 0, shades[at + 2] ?? 0);
  if (brightest > 0 && brightest < 64) {
    image.style.filter = `brightness(${255 / brightest})`;
    image.title = `brightened: its brightest shade is ${brightest} of 255`;
  }
}
