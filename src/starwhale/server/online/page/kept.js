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
  const rows = make("span", { className: "number" });
  const choice = make("span", { className: "buttons" }, name, button("Make a dataset", build), told);
  const cells = [model.id, api.name, rows, make("code", {}, api.job.slice(0, 12)), choice];
  const line = make("tr", { role: "row" }, ...cells.map((each, at) => make("td", { role: "cell", "data-title": COLUMNS[at] }, each)));
  const setRows = (count, lost) => rows.replaceChildren(String(count), ...(lost ? [make("span", { className: "problem" }, ` (${lost} more could not be written)`)] : []));
  return { line, setRows };
};

const COLUMNS = ["Model", "Function", "Requests", "Job", "Dataset"];
const lines = new Map();

const head = make("tr", {}, ...COLUMNS.map((each) => make("th", { scope: "col" }, each)));
const body = make("tbody", { role: "rowgroup" });
const table = make("div", { className: "wide", tabIndex: 0, role: "region", "aria-label": "Jobs" }, make("table", { role: "table" }, make("thead", {}, head), body));

// Shows what the server keeps now; lines that are there stay as they are, with what was typed into them.
export const showKept = async () => {
  const { models, is_recorded: isRecorded } = await call("models");
  get("kept").hidden = !isRecorded;
  const kept = models.flatMap((model) => model.apis.filter((each) => each.job).map((api) => ({ model, api })));
  for (const { model, api } of kept) {
    if (!lines.has(api.job)) {
      lines.set(api.job, makeLine(model, api, models.length === 1));
      body.append(lines.get(api.job).line);
    }
    lines.get(api.job).setRows(api.kept_rows, api.lost_rows);
  }
  const shown = kept.length ? table : make("p", { className: "quiet" }, "Nothing yet: each request is kept with its answer.");
  if (!shown.isConnected) get("kept").replaceChildren(make("h2", {}, "Kept"), shown);
};
