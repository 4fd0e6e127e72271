// What a person says of an answer: good, bad, what would have been right, a note. It is kept when the page says so.
import { button, call, make, parsed } from "./dom.js";

export const makeVerdict = (request, onKept) => {
  const told = make("span", { className: "quiet", role: "status" });
  const right = make("input", { type: "text", placeholder: "the right answer", "aria-label": "The right answer" });
  const note = make("input", { type: "text", placeholder: "a note", "aria-label": "Note", maxLength: 10000 });
  let verdict = "";
  const keep = async (said) => {
    const body = { ...said, ...(note.value ? { note: note.value } : {}) };
    if (Object.keys(body).length === 0) {
      told.textContent = "say good or bad, the right answer, or a note";
      return;
    }
    try {
      verdict = (await call(`requests/${request}/verdict`, body)).verdict || verdict;
    } catch (problem) {
      told.className = "problem";
      told.textContent = problem.message;
      return;
    }
    told.className = "good";
    told.textContent = "kept";
    good.setAttribute("aria-pressed", String(verdict === "good"));
    bad.setAttribute("aria-pressed", String(verdict === "bad"));
    onKept();
  };
  const good = button("Good", () => keep({ verdict: "good" }), { "aria-pressed": "false" });
  const bad = button("Bad", () => keep({ verdict: "bad" }), { "aria-pressed": "false" });
  const save = button("Keep", () => keep(right.value === "" ? {} : { corrected: parsed(right.value) }));
  for (const each of [right, note]) {
    each.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), save.click()));
  }
  return make("div", { className: "verdict", role: "group", "aria-label": "Verdict" }, make("span", { className: "buttons" }, good, bad, told), make("span", { className: "buttons" }, right, note, save));
};
