// Asking one function of one model: a whole answer, or bits as they are made.

const running = new Map(); // of requests under way, by a number of ours

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

// Of an answer: what it is, how long it took, and by which id it is judged. `onItem` is called with each bit.
// Returns {request, items | answer, told, isStopped} or {request, problem}.
export const ask = async (model, api, body, trial, onItem) => {
  const began = performance.now();
  const leaving = new AbortController();
  const mine = { request: "", leave: () => leaving.abort(), isStopped: false };
  const number = Symbol("request");
  running.set(number, mine);
  try {
    const headers = { "content-type": "application/json", ...(api.is_stream ? { accept: "text/event-stream" } : {}) };
    const words = new URLSearchParams({ model: model.id, trial });
    const response = await fetch(`api/${api.name}?${words}`, { method: "POST", headers, body: JSON.stringify(body), signal: leaving.signal });
    mine.request = response.headers.get("x-request-id") || "";
    if (!response.ok) return { request: mine.request, problem: await response.json() };
    if (api.is_stream) return { request: mine.request, ...(await readStream(response, onItem, began)) };
    const answer = await response.json();
    const spent = Number(response.headers.get("server-timing")?.match(/model;dur=([\d.]+)/)?.[1] ?? 0);
    return { request: mine.request, answer, told: `${(performance.now() - began).toFixed(0)} ms, of which the model ${spent.toFixed(1)} ms` };
  } catch (error) {
    if (error.name === "AbortError") return { request: "", isStopped: true, told: "stopped" };
    return { request: "", problem: { message: "the server does not answer", hint: error.message, field: "" } };
  } finally {
    running.delete(number);
  }
};

const readStream = async (response, onItem, began) => {
  const items = [];
  const found = { items };
  await readEvents(response, (event, data) => {
    if (event === "item") {
      items.push(data);
      onItem(data);
    }
    if (event === "problem") found.problem = data;
    if (event === "done") {
      found.isStopped = data.is_stopped;
      found.told = `${data.is_stopped ? "stopped, " : ""}${items.length} ${items.length === 1 ? "piece" : "pieces"} in ${(performance.now() - began).toFixed(0)} ms`;
    }
  });
  if (!found.told && !found.problem) found.problem = { message: "the answer broke off", hint: "the server may have ended", field: "" };
  return found;
};

export const stopAll = () => {
  for (const { request, leave } of running.values()) {
    if (request) fetch(`requests/${request}/stop`, { method: "POST" });
    else leave();
  }
};

export const newTrial = () => crypto.randomUUID?.() || `t${Math.random().toString(36).slice(2)}`;
