// The page of online evaluation: a form made of what a function takes, sent to every model that has the function.
// It is plain JavaScript and loads nothing from elsewhere. Start reading at `begin`.
import { ask, newTrial, stopAll } from "./ask.js";
import { CHAT_FIELDS, beginAnew, isChat, talk } from "./chat.js";
import { call, get, make } from "./dom.js";
import { makeForm } from "./fields.js";
import { showKept } from "./kept.js";
import { show } from "./outputs.js";
import { makeStepping } from "./stepping.js";
import { makeVerdict } from "./verdict.js";

const WRITTEN_MS = 1000; // what was answered is written by then

const state = { models: [], isRecorded: false, form: null, api: null, isBusy: false };

const session = {
  get isRecorded() {
    return state.isRecorded;
  },
  showProblem: (field, text) => state.form.showProblem(field, text),
  onKept: showKept,
};

const makeCard = (model) => {
  const status = make("span", { className: "quiet", role: "status" }, "…");
  const output = make("div", { "aria-live": "polite" });
  const card = make("article", { "data-model": model.id }, make("h2", {}, model.id), output, make("p", { className: "told" }, status));
  get("results").append(card);
  return { card, status, output };
};

const askForCard = async (model, api, body, trial) => {
  const { card, status, output } = makeCard(model);
  const area = make("div", { className: "output" });
  const found = await ask(model, api, body, trial, (item) => {
    if (!area.isConnected) output.replaceChildren(area);
    area.append(typeof item === "string" ? item : show(item, false));
  });
  if (found.problem) {
    output.append(make("div", { className: "output problem" }, found.problem.message));
    status.textContent = found.problem.hint || "";
    state.form.showProblem(found.problem.field, found.problem.message);
    return;
  }
  if (found.answer !== undefined) output.replaceChildren(show(found.answer));
  status.textContent = found.told || "";
  const isEmpty = found.isStopped && !found.items?.length;
  if (state.isRecorded && found.request && !isEmpty) card.append(makeVerdict(found.request, showKept));
};

const setBusy = (isBusy) => {
  state.isBusy = isBusy;
  get("send").disabled = isBusy;
  get("stop").hidden = !isBusy;
};

const send = async () => {
  if (state.isBusy) return;
  let body;
  try {
    body = await state.form.read();
  } catch {
    return; // the field says what is wrong
  }
  const text = isChat(state.api) ? get("message").value : "";
  if (isChat(state.api) && text.trim() === "") {
    get("message").focus();
    return;
  }
  setBusy(true);
  state.form.showProblem("", "");
  const trial = newTrial();
  const asked = state.models.flatMap((model) => model.apis.filter((each) => each.name === state.api.name).map((api) => [model, api]));
  if (isChat(state.api)) {
    get("message").value = "";
    await Promise.all(asked.map(([model, api]) => talk(model, api, text, body, trial, session)));
  } else {
    get("results").replaceChildren();
    await Promise.all(asked.map(([model, api]) => askForCard(model, api, body, trial)));
  }
  setBusy(false);
  if (isChat(state.api)) get("message").focus();
  if (state.isRecorded) setTimeout(showKept, WRITTEN_MS);
};

const fill = (values) => {
  state.form = makeForm(state.api.form, values, isChat(state.api) ? CHAT_FIELDS : []);
  const message = isChat(state.api) ? [makeMessage(values?.user_input)] : [];
  get("fields").replaceChildren(...message, ...state.form.elements);
};

const makeMessage = (text) => {
  const area = make("textarea", { id: "message", rows: 3, value: typeof text === "string" ? text : "" });
  area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  return make("div", { className: "field" }, make("label", { htmlFor: "message", className: "name" }, "Message"), area);
};

const choose = (stepping) => {
  const name = get("api").value;
  state.api = state.models.flatMap((model) => model.apis).find((each) => each.name === name);
  get("doc").textContent = state.api.doc;
  get("anew").hidden = !isChat(state.api);
  get("keys").textContent = isChat(state.api) ? "Enter sends, Shift+Enter begins a line" : "Ctrl+Enter sends";
  beginAnew();
  if (!isChat(state.api)) get("nothing").textContent = "Answers stand here.";
  history.replaceState(null, "", `?${new URLSearchParams({ api: name })}`);
  fill();
  stepping.again();
};

const begin = async () => {
  const said = await call("models");
  Object.assign(state, { models: said.models, isRecorded: said.is_recorded });
  document.title = said.title;
  get("title").textContent = said.title;
  const names = [...new Set(said.models.flatMap((model) => model.apis.map((each) => each.name)))];
  get("api").append(...names.map((each) => make("option", { value: each }, each)));
  get("choice").hidden = names.length < 2;
  const asked = new URLSearchParams(location.search).get("api");
  if (names.includes(asked)) get("api").value = asked;
  const stepping = makeStepping(get("stepping"), fill);
  get("api").addEventListener("change", () => choose(stepping));
  get("form").addEventListener("submit", (event) => (event.preventDefault(), send()));
  get("stop").addEventListener("click", stopAll);
  get("anew").addEventListener("click", () => (stopAll(), beginAnew(), get("message").focus()));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
  });
  await Promise.all([stepping.list(), showKept()]); // first, so that nothing moves under the pointer
  choose(stepping);
  setBusy(false); // before, the browser itself would send the form
};

begin().catch((problem) => {
  get("results").replaceChildren(make("p", { className: "problem", role: "alert" }, problem.message || String(problem)));
});
