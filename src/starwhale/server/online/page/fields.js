// A form made of the JSON schema of what a function takes. Each maker gives {element, read, control}: `read` gives the value, or undefined where
// nothing was filled in; `control` is what the name of the field labels.
import { make, newId, parsed } from "./dom.js";
import { isMedia, ofFile, showMedia } from "./media.js";
import { makePicture } from "./pad.js";
import { canRecord, makeRecorder } from "./record.js";

const makeNumber = (schema, given) => {
  const step = schema["x-step"] ?? (schema.type === "integer" ? 1 : "any");
  const limits = { min: schema.minimum ?? schema.exclusiveMinimum ?? "", max: schema.maximum ?? schema.exclusiveMaximum ?? "" };
  const input = make("input", { type: "number", step, ...limits, value: given ?? schema.default ?? "" });
  const read = () => (input.value === "" ? undefined : Number(input.value));
  if (limits.min === "" || limits.max === "") return { element: input, read, control: input };
  const fine = step === "any" ? (limits.max - limits.min) / 100 : step;
  const slider = make("input", { type: "range", ...limits, step: fine, value: input.value || limits.min, "aria-hidden": "true", tabIndex: -1 });
  slider.addEventListener("input", () => (input.value = slider.value));
  input.addEventListener("input", () => (slider.value = input.value));
  return { element: make("span", { className: "range" }, slider, input), read, control: input };
};

const makeChoice = (schema, isRequired, given) => {
  const select = make("select");
  if (!isRequired || schema.default === undefined) select.append(make("option", { value: "" }, "—"));
  schema.enum.forEach((each, place) => select.append(make("option", { value: String(place + 1) }, String(each))));
  const chosen = schema.enum.indexOf(given ?? schema.default);
  if (chosen >= 0) select.value = String(chosen + 1);
  return { element: select, read: () => (select.value === "" ? undefined : schema.enum[Number(select.value) - 1]), control: select };
};

const makeFile = (family, given) => {
  const input = make("input", { type: "file", accept: family === "binary" ? "" : `${family}/*` });
  const shown = make("div", { className: "shown" });
  let value = isMedia(given) ? given : undefined;
  const show = () => shown.replaceChildren(...(value ? [showMedia(value)] : []));
  input.addEventListener("change", async () => {
    value = input.files[0] ? { ...(await ofFile(input.files[0])), _type: family } : undefined;
    show();
  });
  const recorder = makeRecorder((sound) => {
    input.value = "";
    value = sound;
    show();
  });
  show();
  return { element: make("span", {}, input, ...(family === "audio" && canRecord() ? [recorder] : []), shown), read: () => value, control: input };
};

const makeText = (schema, given) => {
  const text = given?._type === "text" ? given.value : given;
  const area = make("textarea", { value: text ?? schema.default ?? "", rows: 3 });
  return { element: area, read: () => (area.value === "" && schema.default === undefined ? undefined : area.value), control: area };
};

const makeJson = (schema, given) => {
  const value = given ?? schema.default;
  const area = make("textarea", { value: value === undefined ? "" : JSON.stringify(value), placeholder: "JSON" });
  const read = () => {
    if (area.value.trim() === "") return undefined;
    try {
      return JSON.parse(area.value);
    } catch (error) {
      throw new Error(`is no JSON: ${error.message}`);
    }
  };
  return { element: area, read, control: area };
};

// A field of which nothing is known: a number, true, text as it is, or a file.
const makeAny = (given) => {
  if (isMedia(given)) return given._type === "image" ? makePicture({}, given) : makeFile(given._type, given);
  const isText = typeof given === "string" && typeof parsed(given) === "string";
  const area = make("textarea", { rows: 1, className: "short", placeholder: "number, text or JSON", value: given === undefined ? "" : isText ? given : JSON.stringify(given) });
  const input = make("input", { type: "file", "aria-label": "or a file" });
  const read = async () => {
    if (input.files[0]) return ofFile(input.files[0]);
    return area.value.trim() === "" ? undefined : parsed(area.value);
  };
  return { element: make("span", { className: "any" }, area, input), read, control: area };
};

const makeField = (schema, isRequired, given) => {
  if (schema["x-media"] === "text") return makeText(schema, given);
  if (schema["x-media"] === "image") return makePicture(schema, given);
  if (schema["x-media"]) return makeFile(schema["x-media"], given);
  if (schema.enum) return makeChoice(schema, isRequired, given);
  if (schema.type === "integer" || schema.type === "number") return makeNumber(schema, given);
  if (schema.type === "boolean") return makeChoice({ enum: [true, false], default: schema.default }, isRequired, given);
  if (schema.type === "string") return makeText(schema, given);
  return schema.type ? makeJson(schema, given) : makeAny(given);
};

const labelled = (name, note, field, problem) => {
  const id = newId();
  problem.id = `${id}-problem`;
  field.control.id = id;
  field.control.setAttribute("aria-describedby", problem.id);
  const label = make("label", { htmlFor: id, className: "name" }, name, " ", make("span", { className: "note" }, note));
  return make("div", { className: "field", "data-field": name }, label, field.element, problem);
};

const makeFieldOf = (name, schema, isRequired, given) => {
  const field = makeField(schema, isRequired, given);
  const problem = make("span", { className: "problem", role: "alert" });
  const note = [schema.description, isRequired ? "" : "optional"].filter(Boolean).join(" · ");
  return { name, problem, element: labelled(name, note, field, problem), read: field.read };
};

// Columns that no hint names: one JSON object.
const makeRest = (isAll) => {
  const field = makeJson({});
  Object.assign(field.control, { placeholder: '{"column": value}', className: isAll ? "" : "short", rows: isAll ? 3 : 1 });
  const problem = make("span", { className: "problem", role: "alert" });
  return { name: "", problem, element: labelled(isAll ? "row" : "other columns", "a JSON object", field, problem), read: field.read };
};

// Returns {elements, read, showProblem}; `values` are what the fields begin with, and columns of a row that no hint names become fields too.
export const makeForm = (form, values = {}, leftOut = []) => {
  const known = Object.entries(form.properties).filter(([name]) => !leftOut.includes(name));
  const fields = known.map(([name, schema]) => makeFieldOf(name, schema, form.required.includes(name), values[name]));
  if (form.additionalProperties) {
    const more = Object.keys(values).filter((name) => !(name in form.properties));
    fields.push(...more.map((name) => makeFieldOf(name, {}, false, values[name])));
    if (more.length === 0) fields.push(makeRest(known.length === 0));
  }
  const showProblem = (field, text) => {
    for (const each of fields) each.problem.textContent = field && (each.name === field || field.startsWith(`${each.name}.`)) ? text : "";
  };
  const read = async () => {
    const body = {};
    for (const each of fields) {
      each.problem.textContent = "";
      try {
        const value = await each.read();
        if (value === undefined) continue;
        if (each.name === "") Object.assign(body, value);
        else body[each.name] = value;
      } catch (error) {
        each.problem.textContent = error.message;
        throw error;
      }
    }
    return body;
  };
  return { elements: fields.map((each) => each.element), read, showProblem };
};

