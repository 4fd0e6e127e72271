// What a function returned, shown by what it is.
import { make } from "./dom.js";
import { isMedia, showMedia } from "./media.js";

const MOST_BARS = 64;

const isShare = (value) => Array.isArray(value) && value.length > 1 && value.length <= MOST_BARS && value.every((each) => typeof each === "number" && each >= 0 && each <= 1);

const showShares = (values) => {
  const most = Math.max(...values);
  const line = (each, place) =>
    make("li", { className: each === most ? "most" : "" }, make("span", {}, String(place)), make("meter", { min: 0, max: 1, value: each, "aria-label": `${place}` }), make("span", {}, each.toFixed(3)));
  return make("ol", { className: "shares" }, ...values.map(line));
};

const isFlat = (value) => !Array.isArray(value) && Object.keys(value).length > 0 && Object.keys(value).length <= 30;

const showObject = (value) =>
  make("dl", {}, ...Object.entries(value).flatMap(([name, each]) => [make("dt", {}, name), make("dd", {}, show(each, false))]));

export const show = (value, isLarge = true) => {
  if (typeof value === "string") return make("div", { className: value.length < 40 && isLarge ? "output large" : "output" }, value);
  if (value === null || typeof value !== "object") return make("div", { className: isLarge ? "output large" : "output" }, String(value));
  if (isMedia(value)) return showMedia(value);
  if (["text", "number", "value"].includes(value._type)) return show(String(value.value), isLarge);
  if (isShare(value)) return showShares(value);
  if (Array.isArray(value) && value.some((each) => each?._type)) return make("div", { className: "several" }, ...value.map((each) => show(each, false)));
  if (isFlat(value)) return showObject(value);
  return make("pre", { tabIndex: 0 }, JSON.stringify(value, null, 2));
};
