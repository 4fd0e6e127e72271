/** The instance and its projects. */

import { useQuery, type UseQueryResult } from "@tanstack/react-query";

import { get, getAll } from "./client";
import type { InstanceView, ProjectView } from "./schema";

export function useInstance(): UseQueryResult<InstanceView> {
  return useQuery({ queryKey: ["instance"], queryFn: ({ signal }) => get<InstanceView>("/instance", {}, signal) });
}

export function useProjects(): UseQueryResult<ProjectView[]> {
  return useQuery({
    queryKey: ["projects"],
    queryFn: ({ signal }) => getAll<ProjectView>("/projects", {}, signal),
  });
}
