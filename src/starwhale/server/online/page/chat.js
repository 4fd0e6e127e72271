// Conversations: one per model, side by side, which get the same messages and keep turns of their own.
import { get, make } from "./dom.js";
import { ask } from "./ask.js";
import { show } from "./outputs.js";
import { makeVerdict } from "./verdict.js";

export const CHAT_FIELDS = ["user_input", "history"];

export const isChat = (api) => api.inference_type === "llm_chat" || CHAT_FIELDS.every((each) => each in api.form.properties);

const threads = new Map(); // by model: {log, list, history}

export const beginAnew = () => {
  threads.clear();
  get("results").replaceChildren(make("p", { className: "quiet", id: "nothing" }, "The conversation stands here."));
};

const threadOf = (model) => {
  if (!threads.has(model.id)) {
    get("nothing")?.remove();
    const list = make("ol", { className: "turns" });
    const log = make("div", { className: "log", role: "log", "aria-label": `Conversation with ${model.id}`, tabIndex: 0 }, list);
    get("results").append(make("article", { "data-model": model.id }, make("h2", {}, model.id), log));
    threads.set(model.id, { log, list, history: [] });
  }
  return threads.get(model.id);
};

const textOf = (items) => (items.every((each) => typeof each === "string") ? items.join("") : JSON.stringify(items));

// One turn with one model. A turn that failed, or to which nothing was said, is no part of what is sent with the next.
export const talk = async (model, api, text, parameters, trial, session) => {
  const { log, list, history } = threadOf(model);
  const said = make("div", { className: "output" });
  const status = make("span", { className: "quiet" }, "…");
  const turn = make("li", { className: "bot", "aria-busy": "true" }, said, status);
  list.append(make("li", { className: "person" }, text), turn);
  const toEnd = () => (log.scrollTop = log.scrollHeight);
  toEnd();
  const isAsked = (name) => name in api.form.properties;
  const body = { ...parameters, ...(isAsked("user_input") ? { user_input: text } : {}), ...(isAsked("history") ? { history } : {}) };
  const found = await ask(model, api, body, trial, (item) => {
    said.append(typeof item === "string" ? item : show(item, false));
    toEnd();
  });
  turn.setAttribute("aria-busy", "false");
  if (found.problem) {
    said.append(make("div", { className: "problem" }, found.problem.message));
    status.textContent = found.problem.hint || "";
    session.showProblem(found.problem.field, found.problem.message);
    return;
  }
  status.textContent = found.told || "";
  if (found.answer !== undefined) said.append(show(found.answer, false));
  const answer = found.items ? textOf(found.items) : found.answer === undefined ? "" : typeof found.answer === "string" ? found.answer : JSON.stringify(found.answer);
  if (answer !== "" || !found.isStopped) {
    threads.get(model.id)?.history.push({ content: text, bot: false }, { content: answer, bot: true });
  }
  if (session.isRecorded && found.request && !(found.isStopped && answer === "")) turn.append(makeVerdict(found.request, session.onKept));
  toEnd();
};
