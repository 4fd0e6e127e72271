/** Draws a Vega-Lite specification. Expressions are interpreted, not compiled: no code comes from data. Loaded when a chart is asked for. */

import { parse, View, type Spec } from "vega";
import { expressionInterpreter } from "vega-interpreter";
import { compile, type TopLevelSpec } from "vega-lite";

export interface Drawn {
  end: () => void;
}

export function draw(place: HTMLElement, spec: TopLevelSpec, onPick: (datum: Record<string, unknown>) => void): Drawn {
  const compiled: Spec = compile(spec).spec;
  const view = new View(parse(compiled, undefined, { ast: true }), {
    renderer: "svg",
    container: place,
    hover: true,
    expr: expressionInterpreter,
    loader: { load: refuse, sanitize: refuse, http: refuse, file: refuse },
  });
  view.addEventListener("click", (_event, item) => {
    const datum: unknown = item?.datum;
    if (typeof datum === "object" && datum !== null) onPick(datum as Record<string, unknown>);
  });
  void view.runAsync();
  return { end: () => view.finalize() };
}

function refuse(): Promise<never> {
  return Promise.reject(new Error("a chart loads nothing"));
}
