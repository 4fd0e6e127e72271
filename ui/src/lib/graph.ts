/** Where the steps of a job stand in the drawing of their graph. */

export interface Node {
  name: string;
  needs: readonly string[];
}

export interface Placed {
  name: string;
  /** Longest way from a step that needs nothing: the column. */
  layer: number;
  /** Place within the layer, from 0. */
  place: number;
}

export interface Layout {
  nodes: Placed[];
  edges: { from: string; to: string }[];
  layers: number;
  /** Steps of the fullest layer. */
  tallest: number;
}

/** Columns by the longest way; needs that are not there, and circles, are left out of the drawing. */
export function layoutGraph(nodes: readonly Node[]): Layout {
  const byName = new Map(nodes.map((each) => [each.name, each]));
  const layers = new Map<string, number>();
  const layerOf = (name: string, above: ReadonlySet<string>): number => {
    const known = layers.get(name);
    if (known !== undefined) return known;
    const needs = (byName.get(name)?.needs ?? []).filter((each) => byName.has(each) && !above.has(each));
    const found = needs.length === 0 ? 0 : 1 + Math.max(...needs.map((each) => layerOf(each, new Set([...above, name]))));
    layers.set(name, found);
    return found;
  };
  const used: number[] = [];
  const placed = nodes.map((each) => {
    const layer = layerOf(each.name, new Set([each.name]));
    const place = used[layer] ?? 0;
    used[layer] = place + 1;
    return { name: each.name, layer, place };
  });
  const edges = nodes.flatMap((each) =>
    each.needs.filter((need) => byName.has(need)).map((need) => ({ from: need, to: each.name })),
  );
  return { nodes: placed, edges, layers: used.length, tallest: Math.max(0, ...used.map((each) => each)) };
}
