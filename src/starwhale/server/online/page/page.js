// The page of online evaluation: a form made of what a function takes, sent to every model that has the function.
// It is plain JavaScript, loads nothing from elsewhere, and never makes markup of what a model or a person wrote.

const get = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

const state = { models: [], isRecorded: false, running: new Map(), read: () => ({}) };

// ---------------------------------------------------------------------------------------------------------- fields

const toDataUrl = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });

const FAMILY_OF = (mime) => ["image", "audio", "video"].find((each) => mime.startsWith(each + "/")) || "binary";

const labelled = (name, schema, isRequired, ...children) => {
  const notes = [schema.description, isRequired ? "" : "optional"].filter(Boolean).join(" · ");
  return make("label", {}, make("span", { className: "name" }, name, " ", make("span", { className: "note" }, notes)), ...children);
};

// Each maker gives [element, read]; read gives the value, or undefined where nothing was filled in.
const makeNumber = (schema) => {
  const isWhole = schema.type === "integer";
  const step = schema["x-step"] ?? (isWhole ? 1 : "any");
  const limits = { min: schema.minimum ?? schema.exclusiveMinimum ?? "", max: schema.maximum ?? schema.exclusiveMaximum ?? "" };
  const input = make("input", { type: "number", step, ...limits, value: schema.default ?? "" });
  const read = () => (input.value === "" ? undefined : Number(input.value));
  if (limits.min === "" || limits.max === "") return [input, read];
  const fine = step === "any" ? (limits.max - limits.min) / 100 : step;
  const slider = make("input", { type: "range", ...limits, step: fine, value: schema.default ?? limits.min, "aria-hidden": "true", tabIndex: -1 });
  slider.addEventListener("input", () => (input.value = slider.value));
  input.addEventListener("input", () => (slider.value = input.value));
  return [make("span", { className: "range" }, slider, input), read];
};

const makeChoice = (schema, isRequired) => {
  const select = make("select");
  if (!isRequired || schema.default === undefined) select.append(make("option", { value: "" }, "—"));
  schema.enum.forEach((each, place) => select.append(make("option", { value: String(place + 1) }, String(each))));
  if (schema.default !== undefined) select.value = String(schema.enum.indexOf(schema.default) + 1);
  return [select, () => (select.value === "" ? undefined : schema.enum[Number(select.value) - 1])];
};

const makeFile = (family) => {
  const input = make("input", { type: "file", accept: family === "binary" ? "" : `${family}/*` });
  const shown = make("span");
  input.addEventListener("change", async () => {
    shown.replaceChildren();
    if (family === "image" && input.files[0]) shown.append(make("img", { className: "thumb", alt: "", src: await toDataUrl(input.files[0]) }));
  });
  return [make("span", {}, input, shown), async () => (input.files[0] ? toDataUrl(input.files[0]) : undefined)];
};

const makeText = (schema) => {
  const area = make("textarea", { value: schema.default ?? "", rows: 3 });
  return [area, () => (area.value === "" && schema.default === undefined ? undefined : area.value)];
};

const makeJson = (schema) => {
  const area = make("textarea", { value: schema.default === undefined ? "" : JSON.stringify(schema.default), placeholder: "JSON" });
  const read = () => {
    if (area.value.trim() === "") return undefined;
    try {
      return JSON.parse(area.value);
    } catch (error) {
      throw new Error(`is no JSON: ${error.message}`);
    }
  };
  return [area, read];
};

// A field of which nothing is known: a number, true, text as it is, or a file.
const makeAny = () => {
  const area = make("textarea", { rows: 1, placeholder: "number, text or JSON" });
  const input = make("input", { type: "file", "aria-label": "or a file" });
  const read = async () => {
    const file = input.files[0];
    if (file) return { _type: FAMILY_OF(file.type), mime_type: file.type, data: await toDataUrl(file) };
    if (area.value.trim() === "") return undefined;
    try {
      return JSON.parse(area.value);
    } catch {
      return area.value;
    }
  };
  return [make("span", {}, area, input), read];
};

const makeField = (schema, isRequired) => {
  if (schema["x-media"] === "text") return makeText(schema);
  if (schema["x-media"]) return makeFile(schema["x-media"]);
  if (schema.enum) return makeChoice(schema, isRequired);
  if (schema.type === "integer" || schema.type === "number") return makeNumber(schema);
  if (schema.type === "boolean") return makeChoice({ enum: [true, false], default: schema.default }, isRequired);
  if (schema.type === "string") return makeText(schema);
  return schema.type ? makeJson(schema) : makeAny();
};

const makeForm = (form) => {
  const box = get("fields");
  box.replaceChildren();
  const readers = Object.entries(form.properties).map(([name, schema]) => {
    const isRequired = form.required.includes(name);
    const [element, read] = makeField(schema, isRequired);
    const problem = make("span", { className: "problem" });
    box.append(labelled(name, schema, isRequired, element, problem));
    return { name, read, problem };
  });
  let more = null;
  if (form.additionalProperties) {
    const [element, read] = makeJson({});
    element.placeholder = '{"column": value}';
    const known = readers.length > 0;
    const problem = make("span", { className: "problem" });
    box.append(labelled(known ? "other columns" : "row", { description: "a JSON object" }, !known, element, problem));
    more = { name: "", read, problem };
  }
  state.showProblem = (field, text) => {
    for (const each of readers) each.problem.textContent = field && (each.name === field || field.startsWith(each.name + ".")) ? text : "";
  };
  state.read = async () => {
    const body = {};
    for (const each of [...readers, ...(more ? [more] : [])]) {
      each.problem.textContent = "";
      try {
        const value = await each.read();
        if (value === undefined) continue;
        if (each === more) Object.assign(body, value);
        else body[each.name] = value;
      } catch (error) {
        each.problem.textContent = error.message;
        throw error;
      }
    }
    return body;
  };
};

// --------------------------------------------------------------------------------------------------------- outputs

const drawPixels = (value) => {
  const [height, width] = value.shape;
  const canvas = make("canvas", { width, height, style: `width:${Math.max(width, 128)}px` });
  const pixels = Uint8Array.from(atob(value.data), (each) => each.charCodeAt(0));
  const image = canvas.getContext("2d").createImageData(width, height);
  const most = Math.max(1, ...pixels.slice(0, 65536));
  const scale = most > 16 ? 1 : 255 / most; // pixels from 0 to 16 would all be black
  for (let at = 0; at < width * height; at += 1) image.data.set([pixels[at] * scale, pixels[at] * scale, pixels[at] * scale, 255], at * 4);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
};

const showMedia = (value) => {
  const href = `data:${value.mime_type?.includes("/") && !value.mime_type.startsWith("x/") ? value.mime_type : "application/octet-stream"};base64,${value.data}`;
  if (value._type === "image" && value.mime_type === "x/grayscale" && value.shape?.length >= 2) return drawPixels(value);
  if (value._type === "image") return make("img", { src: href, alt: value.display_name || "image" });
  if (value._type === "audio") return make("audio", { src: href, controls: true });
  if (value._type === "video") return make("video", { src: href, controls: true });
  return make("a", { href, download: value.display_name || "answer" }, `${value.size_bytes} bytes`);
};

const show = (value) => {
  if (typeof value === "string") return make("div", { className: value.length < 40 ? "output large" : "output" }, value);
  if (value === null || typeof value !== "object") return make("div", { className: "output large" }, String(value));
  if (value._type && typeof value.data === "string") return showMedia(value);
  if (value._type === "text" || value._type === "number" || value._type === "value") return show(String(value.value));
  if (Array.isArray(value) && value.some((each) => each?._type)) return make("div", {}, ...value.map(show));
  if (!Array.isArray(value) && Object.values(value).some((each) => each?._type)) {
    return make("div", {}, ...Object.entries(value).flatMap(([name, each]) => [make("h2", {}, name), show(each)]));
  }
  return make("pre", {}, JSON.stringify(value, null, 2));
};

// --------------------------------------------------------------------------------------------------------- sending

const readEvents = async (response, onEvent) => {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const [, event, data] = part.match(/^event: (.*)\ndata: ([\s\S]*)$/) || [];
      if (event) onEvent(event, JSON.parse(data));
    }
  }
};

const makeCard = (model) => {
  const status = make("span", { className: "quiet", role: "status" }, "…");
  const output = make("div");
  const card = make("article", { "data-model": model.id }, make("h2", {}, model.id), output, make("p", { className: "quiet" }, status));
  get("results").append(card);
  return { card, status, output };
};

const fail = (card, problem) => {
  card.output.replaceChildren(make("div", { className: "output problem" }, problem.message));
  card.status.textContent = problem.hint || "";
  state.showProblem(problem.field, problem.message);
};

const ask = async (model, api, body, trial) => {
  const card = makeCard(model);
  const began = performance.now();
  const leaving = new AbortController();
  const running = { request: "", leave: () => leaving.abort() };
  state.running.set(model.id, running);
  try {
    const headers = { "content-type": "application/json", ...(api.is_stream ? { accept: "text/event-stream" } : {}) };
    const words = new URLSearchParams({ model: model.id, trial });
    const response = await fetch(`api/${api.name}?${words}`, { method: "POST", headers, body: JSON.stringify(body), signal: leaving.signal });
    running.request = response.headers.get("x-request-id");
    if (!response.ok) {
      fail(card, await response.json());
      return;
    }
    if (api.is_stream) await showStream(response, card);
    else {
      card.output.replaceChildren(show(await response.json()));
      const model_ms = response.headers.get("server-timing")?.match(/model;dur=([\d.]+)/)?.[1];
      card.status.textContent = `${(performance.now() - began).toFixed(0)} ms, of which the model ${Number(model_ms).toFixed(1)} ms`;
    }
    if (state.isRecorded && running.request) card.card.append(makeVerdict(running.request));
    document.dispatchEvent(new CustomEvent("answered", { detail: { card: card.card, model, api, request: running.request } }));
  } catch (error) {
    if (error.name === "AbortError") card.status.textContent = "stopped";
    else fail(card, { message: error.message, hint: "the server may have ended" });
  } finally {
    state.running.delete(model.id);
  }
};

const showStream = async (response, card) => {
  const items = [];
  const area = make("div", { className: "output" });
  card.output.replaceChildren(area);
  await readEvents(response, (event, data) => {
    if (event === "item") {
      items.push(data);
      if (typeof data === "string") area.append(data);
      else area.append(show(data));
    }
    if (event === "done") card.status.textContent = `${data.is_stopped ? "stopped, " : ""}${items.length} pieces in ${((data.seconds || 0) * 1000).toFixed(0)} ms`;
    if (event === "problem") fail(card, data);
  });
};

// What a person says of an answer: good, bad, or what would have been right; it is kept when the button shows so.
const makeVerdict = (request) => {
  const told = make("span", { className: "quiet", role: "status" });
  const good = make("button", { type: "button", "aria-pressed": "false" }, "Good");
  const bad = make("button", { type: "button", "aria-pressed": "false" }, "Bad");
  const right = make("input", { type: "text", placeholder: "the right answer", "aria-label": "the right answer" });
  const note = make("input", { type: "text", placeholder: "a note", "aria-label": "a note", maxLength: 10000 });
  const save = make("button", { type: "button" }, "Keep");
  let verdict = "";
  const keep = async (said) => {
    const body = { ...said, ...(note.value ? { note: note.value } : {}) };
    const response = await fetch(`requests/${request}/verdict`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    const answer = await response.json();
    told.className = response.ok ? "good" : "problem";
    told.textContent = response.ok ? "kept" : answer.message;
    if (!response.ok) return;
    verdict = answer.verdict || verdict;
    good.setAttribute("aria-pressed", String(verdict === "good"));
    bad.setAttribute("aria-pressed", String(verdict === "bad"));
  };
  const corrected = () => {
    try {
      return JSON.parse(right.value);
    } catch {
      return right.value; // text as it is
    }
  };
  good.addEventListener("click", () => keep({ verdict: "good" }));
  bad.addEventListener("click", () => keep({ verdict: "bad" }));
  save.addEventListener("click", () => keep(right.value === "" ? { ...(verdict ? { verdict } : {}) } : { corrected: corrected() }));
  return make("div", { className: "verdict" }, make("span", { className: "buttons" }, good, bad, told), make("span", { className: "buttons" }, right, note, save));
};

const send = async () => {
  const name = get("api").value;
  let body;
  try {
    body = await state.read();
  } catch {
    return;
  }
  get("results").replaceChildren();
  get("send").disabled = true;
  get("stop").hidden = false;
  const trial = crypto.randomUUID?.() || String(Math.random()).slice(2);
  const asked = state.models.flatMap((model) => model.apis.filter((each) => each.name === name).map((api) => ask(model, api, body, trial)));
  await Promise.all(asked);
  get("send").disabled = false;
  get("stop").hidden = true;
};

const stop = () => {
  for (const { request, leave } of state.running.values()) {
    if (request) fetch(`requests/${request}/stop`, { method: "POST" });
    else leave();
  }
};

const choose = () => {
  const name = get("api").value;
  const api = state.models.flatMap((model) => model.apis).find((each) => each.name === name);
  get("doc").textContent = api.doc;
  get("results").replaceChildren();
  makeForm(api.form);
};

const begin = async () => {
  const said = await (await fetch("models")).json();
  state.models = said.models;
  state.isRecorded = said.is_recorded;
  document.title = said.title;
  get("title").textContent = said.title;
  const names = [...new Set(said.models.flatMap((model) => model.apis.map((each) => each.name)))];
  get("api").append(...names.map((each) => make("option", { value: each }, each)));
  get("choice").hidden = names.length < 2;
  get("api").addEventListener("change", choose);
  get("form").addEventListener("submit", (event) => (event.preventDefault(), send()));
  get("stop").addEventListener("click", stop);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !get("send").disabled) send();
  });
  choose();
};

begin();
