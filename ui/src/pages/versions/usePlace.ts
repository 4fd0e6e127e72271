/** Which version an address names. */

import { useParams } from "react-router";

import type { VersionPlace } from "../../api/versions";

export function usePlace(): VersionPlace {
  const { project = "", name = "", version = "latest" } = useParams();
  return { project, name, version };
}
