/** Ids of rows of results: `<project>/<dataset>[@<version>]_#@#_<key>[_#@#_<step>]`. */

const SIGN = "_#@#_";

export interface DatasetRow {
  project: string;
  name: string;
  version: string;
  key: string;
}

/** The row of a dataset that a result is of, among the datasets of its job; null where the id names none of them. */
export function datasetRow(id: string, uris: readonly string[]): DatasetRow | null {
  const [place = "", key] = id.split(SIGN);
  if (key === undefined) return null;
  const [whole = "", version = ""] = place.split("@");
  const name = whole.split("/").at(-1) ?? "";
  const project = whole.includes("/") ? whole.slice(0, whole.lastIndexOf("/")) : "";
  for (const uri of uris) {
    const found = /project\/([^/]+)\/dataset\/([^/]+)\/version\/([^/?]+)/.exec(uri);
    if (!found) continue;
    const [, itsProject = "", itsName = "", itsVersion = ""] = found;
    if (itsName === name && (project === "" || project === itsProject) && itsVersion.startsWith(version))
      return { project: itsProject, name: itsName, version: itsVersion, key };
  }
  return null;
}
