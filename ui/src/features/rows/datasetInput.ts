/** What went in, from the dataset itself: results keep only the inputs that the evaluation asked for. */

import type { VersionPlace } from "../../api/versions";
import { datasetMedia, useDatasetRow, useDatasets } from "../../api/versions";
import { asText, type Cell, type Row } from "../../lib/cell";
import { datasetRow } from "../../lib/rowId";

const PREFIX = "input/";

/** Inputs of a result by their names in `results`, without those that the result has itself; empty while they are on their way. */
export function useDatasetInput(id: string, uris: readonly string[], own: Row): Row {
  const found = datasetRow(id, uris);
  const row = useDatasetRow(found, found?.key ?? "").data;
  if (!row) return {};
  const missing = Object.entries(row).filter(([name]) => name !== "__key" && !(PREFIX + name in own) && !("input" in own));
  return Object.fromEntries(missing.map(([name, cell]) => [PREFIX + name, cell]));
}

export interface ImageColumn {
  /** As it would be called in `results`. */
  name: string;
  column: string;
  kind: string;
}

/** Images of a job's datasets that its results do not hold. They are shown beside the results all the same. */
export function useImageColumns(uris: readonly string[], own: readonly string[]): ImageColumn[] {
  const places = uris.flatMap((uri): VersionPlace[] => {
    const found = /project\/([^/]+)\/dataset\/([^/]+)\/version\/([^/?]+)/.exec(uri);
    return found ? [{ project: found[1] ?? "", name: found[2] ?? "", version: found[3] ?? "" }] : [];
  });
  const columns = useDatasets(places).flatMap((each) => each.columns);
  const images = new Map(columns.filter((each) => /^media:.*image/i.test(each.kind)).map((each) => [each.name, each.kind]));
  return [...images]
    .map(([column, kind]) => ({ name: PREFIX + column, column, kind }))
    .filter((each) => !own.includes(each.name));
}

/** The image of a result's row in its dataset. */
export function datasetImage(row: Row, column: string, uris: readonly string[]): Cell {
  const found = datasetRow(asText(row.id), uris);
  return found ? { _type: "image", href: datasetMedia(found, found.key, column), shape: [] } : null;
}
