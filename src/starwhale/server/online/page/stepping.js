// Rows of a dataset, one after another: each fills the form, and stands there with its label and with what jobs have said of it.
import { button, call, make, newId } from "./dom.js";
import { show } from "./outputs.js";

const LABELS = ["label", "labels", "target", "answer", "expected", "gold"];

const labelOf = (row) => LABELS.find((each) => row[each] !== undefined);

// `onRow(row)` is called with the columns of the row that is stepped to, and with undefined where no dataset is chosen any more.
export const makeStepping = (box, onRow) => {
  const place = { dataset: "", offset: 0, count: 0, jobs: [], turn: 0 };
  const dataset = make("select", { id: newId() });
  const job = make("select", { id: newId() });
  const number = make("input", { type: "number", min: 1, "aria-label": "Number of the row", className: "row-number" });
  const of = make("span", { className: "quiet" });
  const stored = make("div", { className: "stored" });
  const told = make("p", { className: "problem", role: "alert" });
  const previous = button("◀", () => go(place.offset - 1), { "aria-label": "Previous row" });
  const next = button("▶", () => go(place.offset + 1), { "aria-label": "Next row" });
  const steps = make("p", { className: "buttons", hidden: true }, previous, number, of, next);
  const jobs = make("p", { className: "field", hidden: true }, make("label", { htmlFor: job.id, className: "name" }, "Predictions of"), job);

  const fail = (problem) => (told.textContent = [problem.message, problem.hint].filter(Boolean).join("; "));
  const nameOf = (id) => place.jobs.find((each) => each.id === id);

  const showStored = (found) => {
    const label = labelOf(found.row);
    const said = found.predictions.map((each) => {
      const mine = nameOf(each.job);
      const value = each.error ? make("div", { className: "problem" }, each.error) : show(each.output, false);
      return [make("dt", {}, `${mine?.model || mine?.name || ""} said `, make("code", {}, each.job.slice(0, 12))), make("dd", { "data-prediction": each.job }, value)];
    });
    const lines = [...(label ? [make("dt", {}, label), make("dd", { "data-label": "" }, show(found.row[label], false))] : []), ...said.flat()];
    stored.replaceChildren(make("h2", {}, "Row ", make("code", {}, String(found.key))), lines.length ? make("dl", {}, ...lines) : make("p", { className: "quiet" }, "no label, and no prediction is kept"));
  };

  const go = async (offset) => {
    if (!place.dataset || offset < 0 || (place.count && offset >= place.count)) return;
    const words = new URLSearchParams({ dataset: place.dataset, offset });
    const wanted = job.value === "*" ? place.jobs.slice(0, 8).map((each) => each.id) : [job.value].filter(Boolean);
    for (const each of wanted) words.append("job", each);
    const before = place.offset;
    const turn = (place.turn += 1);
    place.offset = offset; // at once: who steps on before the row is there steps from here
    let said;
    try {
      said = await call(`rows?${words}`);
    } catch (problem) {
      if (turn === place.turn) place.offset = before;
      fail(problem);
      return;
    }
    if (turn !== place.turn) return; // somebody has stepped on
    told.textContent = "";
    place.count = said.row_count;
    Object.assign(number, { value: offset + 1, max: said.row_count });
    of.textContent = `of ${said.row_count}`;
    previous.disabled = offset === 0;
    next.disabled = offset + 1 >= said.row_count;
    const [found] = said.rows;
    if (!found) return;
    showStored(found);
    onRow(found.row);
  };

  const choose = async () => {
    Object.assign(place, { dataset: dataset.value, offset: 0, count: 0 });
    const turn = (place.turn += 1);
    steps.hidden = jobs.hidden = !dataset.value;
    stored.replaceChildren();
    told.textContent = "";
    if (!dataset.value) {
      onRow(undefined);
      return;
    }
    let found;
    try {
      found = (await call(`evaluations?${new URLSearchParams({ dataset: dataset.value })}`)).jobs;
    } catch (problem) {
      if (turn === place.turn) fail(problem);
      return;
    }
    if (turn !== place.turn) return; // another dataset was chosen meanwhile
    place.jobs = found;
    const named = place.jobs.map((each) => make("option", { value: each.id }, `${each.name || each.model || each.handler} (${each.id.slice(0, 8)})`));
    job.replaceChildren(...(named.length ? [make("option", { value: "*" }, "the newest jobs"), ...named] : [make("option", { value: "" }, "no job has tried it")]));
    await go(0);
  };

  dataset.addEventListener("change", choose);
  job.addEventListener("change", () => go(place.offset));
  number.addEventListener("change", () => go(Math.min(Math.max(Math.trunc(Number(number.value)) || 1, 1), place.count) - 1));

  const list = async () => {
    let listed = [];
    try {
      listed = (await call("datasets")).datasets;
    } catch {
      // a script that serves itself has none
    }
    const chosen = dataset.value;
    dataset.replaceChildren(make("option", { value: "" }, "—"), ...listed.map((each) => make("option", { value: each.uri }, each.name)));
    if (listed.some((each) => each.uri === chosen)) dataset.value = chosen;
    box.hidden = listed.length === 0;
  };

  box.replaceChildren(make("div", { className: "field" }, make("label", { htmlFor: dataset.id, className: "name" }, "Rows of a dataset"), dataset), jobs, steps, stored, told);
  document.addEventListener("built", list);
  return { list, again: () => go(place.offset) };
};
