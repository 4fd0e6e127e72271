/** Draws a Vega-Lite specification. Expressions are interpreted, not compiled: no code comes from data. Loaded when a chart is asked for. */

import { parse, View, type Item, type ScenegraphEvent, type Spec } from "vega";
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
  view.addEventListener("click", (event, item) => {
    const datum: unknown = nearest(view, place, event, item)?.datum;
    if (typeof datum === "object" && datum !== null) onPick(datum as Record<string, unknown>);
  });
  void view.runAsync();
  return { end: () => view.finalize() };
}

type Dot = Item & { x: number; y: number };

/** Pixels around a point of a line that lead to it. */
const REACH = 40;

/** The points of all lines of a drawing. */
function dotsOf(mark: { marktype?: string; items?: readonly unknown[] }): Dot[] {
  if (mark.marktype === "line") return [...((mark.items ?? []) as Dot[])];
  return (mark.items ?? []).flatMap((each) => ((each as { items?: readonly object[] }).items ?? []).flatMap(dotsOf));
}

/** What was pressed. A line itself says no more than where it begins: its nearest point is meant, also by what is beside it. */
function nearest(view: View, place: HTMLElement, event: ScenegraphEvent, item: Item | null | undefined): Item | null | undefined {
  const { marktype } = (item?.mark ?? {}) as { marktype?: string };
  if ((marktype !== "line" && marktype !== "group" && marktype !== undefined) || !(event instanceof MouseEvent)) return item;
  const box = (place.querySelector("svg") ?? place).getBoundingClientRect();
  const [left, top] = view.origin();
  const [x, y] = [event.clientX - box.left - left, event.clientY - box.top - top];
  const far = (each: Dot): number => (each.x - x) ** 2 + (each.y - y) ** 2;
  return dotsOf((view.scenegraph() as unknown as { root: object }).root).reduce<Dot | null>((best, each) => (far(each) <= (best ? far(best) : REACH ** 2) ? each : best), null);
}

function refuse(): Promise<never> {
  return Promise.reject(new Error("a chart loads nothing"));
}
