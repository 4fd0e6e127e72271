// Values with content: {_type, data (base64), mime_type, shape}; how they are shown, and how files become them.
import { make } from "./dom.js";

export const GRAYSCALE = "x/grayscale";

export const isMedia = (value) => Boolean(value?._type) && typeof value.data === "string";

export const toBytes = (data) => Uint8Array.from(atob(data.slice(data.indexOf(",") + 1)), (each) => each.charCodeAt(0));

export const toBase64 = (bytes) => {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
};

// The type as browsers know it; types of ours (x/…) are none.
const mimeOf = (value) => (value.mime_type?.includes("/") && !value.mime_type.startsWith("x/") ? value.mime_type : "");

const urlOf = (value) => URL.createObjectURL(new Blob([toBytes(value.data)], { type: mimeOf(value) }));

// The greatest value that a picture's pixels are meant to have: 255, or 1, 16 … where none is above that.
export const mostOf = (bytes) => {
  const most = bytes.reduce((found, each) => Math.max(found, each), 0);
  return [1, 2, 4, 8, 16].find((each) => most <= each) || 255;
};

const drawPixels = (value) => {
  const [height, width] = value.shape;
  const pixels = toBytes(value.data);
  const canvas = make("canvas", { width, height, className: "pixels", role: "img", "aria-label": value.display_name || `picture of ${width} by ${height} pixels` });
  const image = new ImageData(width, height);
  const scale = 255 / mostOf(pixels);
  for (let at = 0; at < width * height; at += 1) image.data.set([pixels[at] * scale, pixels[at] * scale, pixels[at] * scale, 255], at * 4);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
};

export const showMedia = (value) => {
  if (value._type === "image" && value.mime_type === GRAYSCALE && value.shape?.length >= 2) return drawPixels(value);
  const name = value.display_name || value._type;
  if (value._type === "image") return make("img", { src: urlOf(value), alt: name });
  if (value._type === "audio") return make("audio", { src: urlOf(value), controls: true, "aria-label": name });
  if (value._type === "video") return make("video", { src: urlOf(value), controls: true, "aria-label": name });
  return make("a", { href: urlOf(value), download: value.display_name || "answer" }, `${value.size_bytes ?? toBytes(value.data).length} bytes`);
};

const FAMILIES = ["image", "audio", "video"];

export const ofFile = async (file) => {
  const family = FAMILIES.find((each) => file.type.startsWith(`${each}/`)) || "binary";
  return { _type: family, mime_type: file.type, display_name: file.name, data: toBase64(new Uint8Array(await file.arrayBuffer())) };
};

// Raw pixels of something that can be drawn: each is the mean of its part of the picture, from 0 to `most`.
export const toGrayscale = (source, width, height, most = 255) => {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(halved(source, width, height), 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = new Uint8Array(width * height);
  for (let at = 0; at < pixels.length; at += 1) {
    const luminance = (0.299 * data[at * 4] + 0.587 * data[at * 4 + 1] + 0.114 * data[at * 4 + 2]) * (data[at * 4 + 3] / 255);
    pixels[at] = Math.round((luminance * most) / 255);
  }
  return { _type: "image", mime_type: GRAYSCALE, shape: [height, width, 1], data: toBase64(pixels) };
};

// Drawing something much smaller at once looks at some of its pixels alone; by halves it looks at all of them.
const halved = (source, width, height) => {
  let found = source;
  while (found.width >= width * 2 && found.height >= height * 2) {
    const canvas = make("canvas", { width: Math.max(width, found.width >> 1), height: Math.max(height, found.height >> 1) });
    canvas.getContext("2d").drawImage(found, 0, 0, canvas.width, canvas.height);
    found = canvas;
  }
  return found;
};
