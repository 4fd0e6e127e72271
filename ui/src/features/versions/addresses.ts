/** Addresses of pages about datasets, models and runtimes. */

import type { VersionKind } from "../../api/versions";

export function versionPage(kind: VersionKind, project: string, name: string, version: string): string {
  return `/projects/${encodeURIComponent(project)}/${kind}s/${encodeURIComponent(name)}/${encodeURIComponent(version)}`;
}

/** The page of what a whole URI names, as `local/project/self/dataset/mnist/version/abc`; empty where it names nothing here. */
export function versionAddress(uri: string): string {
  const found = /(?:^|\/)project\/([^/]+)\/(dataset|model|runtime)\/([^/]+)\/version\/([^/?]+)/.exec(uri);
  if (!found) return "";
  const [, project = "", kind = "", name = "", version = ""] = found;
  return versionPage(kind as VersionKind, project, name, version);
}
