/** A mask over an image: every class that is switched on in its colour, the rest not at all. */

import { useEffect, useRef, type ReactNode } from "react";

import { pixelsOf, type Shape } from "../lib/shapes";

interface Props {
  shape: Shape;
  width: number;
  height: number;
  /** Colour of a value of the mask; null leaves it out. */
  colour: (value: number) => string | null;
  /** Told which values it has, once they are known. */
  onValues: (values: number[]) => void;
}

/** A mask of more different values is no mask of classes: everything in it that is not black is one. */
const MOST_VALUES = 40;

interface Values {
  width: number;
  height: number;
  values: Uint8Array;
}

export function Mask({ shape, width, height, colour, onValues }: Props): ReactNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const read = useRef<Values | null>(null);
  const latest = useRef({ colour, onValues });
  const { href, runs } = shape;
  useEffect(() => {
    latest.current = { colour, onValues };
    if (read.current && canvas.current) paint(canvas.current, read.current, colour);
  });
  useEffect(() => {
    let isGone = false;
    const take = (found: Values): void => {
      if (isGone) return;
      read.current = found;
      latest.current.onValues([...new Set(found.values)].filter((each) => each > 0).sort((a, b) => a - b));
      if (canvas.current) paint(canvas.current, found, latest.current.colour);
    };
    if (runs) take({ width: runs.columns, height: runs.rows, values: pixelsOf(runs) });
    else if (href !== undefined) void readImage(href).then(take, () => undefined); // the image itself says that it is damaged
    return () => {
      isGone = true;
    };
  }, [href, runs]);
  return <canvas ref={canvas} className="mask" data-mask={shape.label} style={{ width, height }} aria-hidden="true" />;
}

async function readImage(href: string): Promise<Values> {
  const image = new Image();
  image.src = href;
  await image.decode();
  const canvas = document.createElement("canvas");
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  if (!context || width === 0) return { width: 0, height: 0, values: new Uint8Array() };
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const values = new Uint8Array(width * height);
  for (let at = 0; at < values.length; at += 1) values[at] = (data[4 * at + 3] ?? 0) === 0 ? 0 : Math.max(data[4 * at] ?? 0, data[4 * at + 1] ?? 0, data[4 * at + 2] ?? 0);
  if (new Set(values).size > MOST_VALUES) for (let at = 0; at < values.length; at += 1) values[at] = values[at] ? 1 : 0;
  return { width, height, values };
}

function paint(canvas: HTMLCanvasElement, { width, height, values }: Values, colour: (value: number) => string | null): void {
  if (width === 0) return;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(width, height);
  const paints = new Map<number, [number, number, number] | null>();
  values.forEach((value, at) => {
    if (value === 0) return;
    if (!paints.has(value)) paints.set(value, rgb(colour(value)));
    const found = paints.get(value);
    if (found) image.data.set([...found, 130], 4 * at);
  });
  context.putImageData(image, 0, 0);
}

function rgb(colour: string | null): [number, number, number] | null {
  if (colour === null) return null;
  const at = (place: number): number => Number.parseInt(colour.slice(place, place + 2), 16);
  return [at(1), at(3), at(5)];
}
