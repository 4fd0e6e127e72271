/** Datasets, models and runtimes: lists, versions, and what is in one. Queries have the key `[kind, …]`. */

import { useMutation, useQueries, useQuery, useQueryClient, type UseMutationResult, type UseQueryResult } from "@tanstack/react-query";

import type { Cell } from "../lib/cell";
import { address, get, getAll, post, readText, segment } from "./client";
import type { DatasetView, FileView, ModelView, RuntimeView, StatisticsView, VersionView } from "./schema";

export type VersionKind = "dataset" | "model" | "runtime";

export interface VersionPlace {
  project: string;
  name: string;
  version: string;
}

/** Where the versions of a kind are. */
export function bundlePath(kind: VersionKind, project: string, name?: string): string {
  const path = `/projects/${segment(project)}/${kind}s`;
  return name === undefined ? path : `${path}/${segment(name)}/versions`;
}

export function versionPath(kind: VersionKind, place: VersionPlace): string {
  return `${bundlePath(kind, place.project, place.name)}/${segment(place.version)}`;
}

export function useBundles(kind: VersionKind, project: string): UseQueryResult<VersionView[]> {
  return useQuery({
    queryKey: [kind, project, "list"],
    enabled: project !== "",
    queryFn: ({ signal }) => getAll<VersionView>(bundlePath(kind, project), {}, signal),
  });
}

export function useVersions(kind: VersionKind, project: string, name: string): UseQueryResult<VersionView[]> {
  return useQuery({
    queryKey: [kind, project, name, "versions"],
    queryFn: ({ signal }) => getAll<VersionView>(bundlePath(kind, project, name), {}, signal),
  });
}

function useOne<T>(kind: VersionKind, place: VersionPlace, what: string, query: Record<string, string> = {}): UseQueryResult<T> {
  return useQuery({
    queryKey: [kind, place.project, place.name, place.version, what, query],
    retry: false,
    queryFn: ({ signal }) => get<T>(`${versionPath(kind, place)}${what}`, query, signal),
  });
}

export function useDataset(place: VersionPlace): UseQueryResult<DatasetView> {
  return useOne<DatasetView>("dataset", place, "");
}

export function useStatistics(place: VersionPlace): UseQueryResult<StatisticsView> {
  return useOne<StatisticsView>("dataset", place, "/statistics");
}

export function useModel(place: VersionPlace): UseQueryResult<ModelView> {
  return useOne<ModelView>("model", place, "");
}

export function useRuntime(place: VersionPlace): UseQueryResult<RuntimeView> {
  return useOne<RuntimeView>("runtime", place, "");
}

/** One row of a version, by its key. */
export function useDatasetRow(place: VersionPlace | null, key: string): UseQueryResult<Record<string, Cell>> {
  return useQuery({
    queryKey: ["dataset", place?.project, place?.name, place?.version, "row", key],
    enabled: place !== null,
    retry: false,
    queryFn: ({ signal }) => get<Record<string, Cell>>(place === null ? "" : `${versionPath("dataset", place)}/row`, { key }, signal),
  });
}

/** Versions by what names them; of several at once. */
export function useDatasets(places: readonly VersionPlace[]): DatasetView[] {
  const answers = useQueries({
    queries: places.map((place) => ({
      queryKey: ["dataset", place.project, place.name, place.version, "", {}],
      retry: false,
      queryFn: ({ signal }: { signal: AbortSignal }) => get<DatasetView>(versionPath("dataset", place), {}, signal),
    })),
  });
  return answers.flatMap((each) => each.data ?? []);
}

/** Where the content of a cell of a dataset is read. */
export function datasetMedia(place: VersionPlace, key: string, column: string): string {
  return address(`${versionPath("dataset", place)}/media`, { key, column });
}

/** What makes a version of another, in the shape of `swcli … diff -o json`. */
export function useDiff(kind: VersionKind, place: VersionPlace, base: string): UseQueryResult<Record<string, unknown>> {
  return useQuery({
    queryKey: [kind, place.project, place.name, place.version, "diff", base],
    enabled: base !== "",
    retry: false,
    queryFn: ({ signal }) => get<Record<string, unknown>>(`${versionPath(kind, place)}/diff`, { base }, signal),
  });
}

export function useFiles(kind: "model" | "runtime", place: VersionPlace): UseQueryResult<FileView[]> {
  return useQuery({
    queryKey: [kind, place.project, place.name, place.version, "files"],
    queryFn: ({ signal }) => getAll<FileView>(`${versionPath(kind, place)}/files`, {}, signal),
  });
}

/** Text behind an address that the API gave. */
export function useText(href: string, most = 200_000): UseQueryResult<{ text: string; isWhole: boolean }> {
  return useQuery({
    queryKey: ["text", href, most],
    enabled: href !== "",
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }) => readText(href, most, signal),
  });
}

export function useTags(kind: VersionKind): UseMutationResult<VersionView, Error, VersionPlace & { add: string[]; remove: string[] }> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ add, remove, ...place }) => post<VersionView>(`${versionPath(kind, place)}/tags`, { add, remove }),
    onSettled: () => client.invalidateQueries({ queryKey: [kind] }),
  });
}
