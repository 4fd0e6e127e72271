/** The first page: the evaluations of the current project. */

import type { ReactNode } from "react";
import { Navigate } from "react-router";

import { useInstance } from "../api/instance";
import { Loaded } from "../components/states";

export function Component(): ReactNode {
  const instance = useInstance();
  return <Loaded query={instance}>{(found) => <Navigate to={`/projects/${encodeURIComponent(found.current_project)}/jobs`} replace />}</Loaded>;
}
