// What is kept of what was tried: a line per function of each model, and a click that makes a version of a dataset of it.
import { button, call, get, make } from "./dom.js";

const nameOf = (model, api, isAlone) => `tried-${api.name}${isAlone ? "" : `-${model.name}`}`.replace(/[^A-Za-z0-9._-]+/g, "-");

const makeLine = (model, api, isAlone) => {
  const name = make("input", { type: "text", value: nameOf(model, api, isAlone), "aria-label": `Name of the dataset of ${api.name} of ${model.id}` });
  const told = make("span", { className: "quiet", role: "status" });
  const build = async () => {
    told.className = "quiet";
    told.textContent = "…";
    try {
      const made = await call("datasets", { job: api.job, name: name.value });
      told.className = "good";
      told.textContent = `${made.name}/version/${made.version.slice(0, 12)}: ${made.row_count} rows`;
      document.dispatchEvent(new CustomEvent("built"));
    } catch (problem) {
      told.className = "problem";
      told.textContent = [problem.message, problem.hint].filter(Boolean).join("; ");
    }
  };
  const rows = make("td", { className: "number" });
  const cells = [make("td", {}, model.id), make("td", {}, api.name), rows, make("td", {}, make("code", {}, api.job.slice(0, 12)))];
  const line = make("tr", {}, ...cells, make("td", {}, make("span", { className: "buttons" }, name, button("Make a dataset", build), told)));
  return { line, setRows: (count) => (rows.textContent = String(count)) };
};

const lines = new Map();

// Shows what the server keeps now; lines that are there stay, with what was typed into them.
export const showKept = async () => {
  const { models, is_recorded: isRecorded } = await call("models");
  get("kept").hidden = !isRecorded;
  if (!isRecorded) return;
  const kept = models.flatMap((model) => model.apis.filter((each) => each.job).map((api) => ({ model, api })));
  for (const { model, api } of kept) {
    if (!lines.has(api.job)) lines.set(api.job, makeLine(model, api, models.length === 1));
    lines.get(api.job).setRows(api.kept_rows);
  }
  const head = make("tr", {}, ...["Model", "Function", "Requests", "Job", "Dataset"].map((each) => make("th", { scope: "col" }, each)));
  const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...[...lines.values()].map((each) => each.line)));
  const body = kept.length ? make("div", { className: "wide", tabIndex: 0, role: "region", "aria-label": "Jobs" }, table) : make("p", { className: "quiet" }, "Nothing yet: each request is kept with its answer.");
  get("kept").replaceChildren(make("h2", {}, "Kept"), body);
};
