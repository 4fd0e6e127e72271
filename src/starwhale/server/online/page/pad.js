// A picture as input: a file, one that is there already, or one that is drawn. Whoever cannot draw chooses a file.
import { button, make, newId } from "./dom.js";
import { GRAYSCALE, isMedia, mostOf, ofFile, showMedia, toBase64, toBytes, toGrayscale } from "./media.js";

const SIDE = 256;

// What is wanted: raw pixels of a size (of the picture that was there), raw pixels of any size, or an encoded picture.
const wantedOf = (schema, given) => {
  if (given?.mime_type === GRAYSCALE && given.shape?.length >= 2) {
    return { isRaw: true, height: given.shape[0], width: given.shape[1], most: mostOf(toBytes(given.data)) };
  }
  return { isRaw: schema["x-mime"] === GRAYSCALE, most: 255 };
};

export const makePicture = (schema, given) => {
  const wanted = wantedOf(schema, given);
  const shown = make("div", { className: "shown" });
  const file = make("input", { type: "file", accept: "image/*" });
  let value = isMedia(given) ? given : undefined;
  const setValue = (made, element) => {
    value = made;
    shown.classList.remove("unused");
    shown.replaceChildren(...(element ? [element] : made ? [showMedia(made)] : []));
  };
  const pad = makePad(wanted, wanted.isRaw && !value, () => {
    file.value = "";
    value = undefined;
    shown.classList.add("unused"); // it keeps its place: nothing moves under the pen
  });
  file.addEventListener("change", async () => {
    pad.clear();
    setValue(file.files[0] ? await ofPictureFile(file.files[0], wanted) : undefined);
  });
  if (value) setValue(value);
  const read = async () => (pad.isUsed() ? pad.read() : value);
  const element = make("div", { className: "picture" }, file, shown, pad.element);
  return { element, read, control: file };
};

const ofPictureFile = async (file, wanted) => {
  if (!wanted.isRaw) return ofFile(file);
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    return ofFile(file); // the server says that it does not decode
  }
  return toGrayscale(picture, wanted.width ?? picture.width, wanted.height ?? picture.height, wanted.most);
};

const makePad = (wanted, isOpen, onStroke) => {
  const ratio = wanted.isRaw && wanted.width ? wanted.width / wanted.height : 1;
  const size = { width: ratio >= 1 ? SIDE : Math.max(8, Math.round(SIDE * ratio)), height: ratio <= 1 ? SIDE : Math.max(8, Math.round(SIDE / ratio)) };
  const canvas = make("canvas", { ...size, className: "pad", role: "img", "aria-label": "Nothing is drawn" });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const isInverse = make("input", { type: "checkbox", id: newId() });
  const strokes = [];
  const width = wanted.width && wanted.width <= 32 ? SIDE / 9 : SIDE / 14;
  const redraw = () => {
    context.fillStyle = isInverse.checked ? "#fff" : "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    Object.assign(context, { lineWidth: width, lineCap: "round", lineJoin: "round", strokeStyle: isInverse.checked ? "#000" : "#fff" });
    for (const points of strokes) {
      context.beginPath();
      context.moveTo(...points[0]);
      for (const point of points.slice(1)) context.lineTo(...point);
      if (points.length === 1) context.lineTo(points[0][0] + 0.1, points[0][1]);
      context.stroke();
    }
    canvas.setAttribute("aria-label", strokes.length ? `A drawing of ${strokes.length} strokes` : "Nothing is drawn");
    undo.disabled = clearing.disabled = strokes.length === 0;
  };
  const clear = () => {
    strokes.length = 0;
    redraw();
  };
  const undo = button("Undo", () => (strokes.pop(), redraw()));
  const clearing = button("Clear", clear);
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    if (strokes.length === 0) onStroke();
    strokes.push([at(event)]);
    redraw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) strokes.at(-1)?.push(at(each));
    redraw();
  });
  isInverse.addEventListener("change", redraw);
  redraw();
  const read = () => (wanted.isRaw ? toGrayscale(canvas, wanted.width ?? 64, wanted.height ?? 64, wanted.most) : encoded(canvas));
  const below = make("span", { className: "buttons" }, undo, clearing, make("span", {}, isInverse, make("label", { htmlFor: isInverse.id, className: "inline" }, "dark on light")));
  const element = make("details", { className: "drawing", open: isOpen }, make("summary", {}, "Draw it"), canvas, below);
  return { element, clear, read, isUsed: () => strokes.length > 0 };
};

const encoded = async (canvas) => {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return { _type: "image", mime_type: "image/png", display_name: "drawing", data: toBase64(new Uint8Array(await blob.arrayBuffer())) };
};
