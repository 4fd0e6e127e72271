/** Jobs: the list with its metrics, one of them, and what can be asked of it. Queries of a job have the key `["job", id, …]`. */

import {
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
  type InfiniteData,
  type UseInfiniteQueryResult,
  type UseMutationResult,
  type UseQueryResult,
} from "@tanstack/react-query";

import { get, getAll, post, segment } from "./client";
import type { EventView, JobRow, JobsView, JobView, LogLines, LogView, TaskView } from "./schema";

export interface JobsWanted {
  project: string;
  search: string;
  where: string;
  sort: string;
  descending: boolean;
  removed: boolean;
}

const PAGE = 200;

export function useJobs(wanted: JobsWanted): UseInfiniteQueryResult<InfiniteData<JobsView>> {
  return useInfiniteQuery({
    queryKey: ["jobs", wanted],
    queryFn: ({ pageParam, signal }) => get<JobsView>("/jobs", { ...wanted, after: pageParam, limit: PAGE }, signal),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    maxPages: 100,
  });
}

/** The newest jobs of a project, for the command palette and other lists to choose from. */
export function useRecentJobs(project: string): UseQueryResult<JobRow[]> {
  return useQuery({
    queryKey: ["jobs", "recent", project],
    queryFn: async ({ signal }) => (await get<JobsView>("/jobs", { project, limit: 100 }, signal)).items,
  });
}

export function useJob(job: string, isWanted = true): UseQueryResult<JobView> {
  return useQuery({
    queryKey: ["job", job, "view"],
    enabled: isWanted,
    queryFn: ({ signal }) => get<JobView>(`/jobs/${segment(job)}`, {}, signal),
  });
}

export function useTasks(job: string): UseQueryResult<TaskView[]> {
  return useQuery({
    queryKey: ["job", job, "tasks"],
    queryFn: ({ signal }) => getAll<TaskView>(`/jobs/${segment(job)}/tasks`, {}, signal),
  });
}

export function useJobEvents(job: string): UseQueryResult<EventView[]> {
  return useQuery({
    queryKey: ["job", job, "events"],
    queryFn: ({ signal }) => getAll<EventView>(`/jobs/${segment(job)}/events`, {}, signal),
  });
}

export function useLogs(job: string): UseQueryResult<LogView[]> {
  return useQuery({
    queryKey: ["job", job, "logs"],
    queryFn: async ({ signal }) => (await get<{ items: LogView[] }>(`/jobs/${segment(job)}/logs`, {}, signal)).items,
  });
}

export interface LogPlace {
  step: string;
  task: number;
  attempt: number;
}

export interface LogPart {
  from?: number;
  before?: number;
  search?: string;
}

/** Some lines of a log; not kept, because logs may have millions. */
export function readLog(job: string, log: LogPlace, part: LogPart, signal?: AbortSignal): Promise<LogLines> {
  return get<LogLines>(`/jobs/${segment(job)}/logs/lines`, { ...log, ...part, limit: 1000 }, signal);
}

export type JobVerb = "pause" | "cancel" | "resume" | "resume_failed" | "run_again" | "remove" | "recover";

const REQUESTS: Record<JobVerb, [string, object]> = {
  pause: ["pause", { wait_s: 0 }],
  cancel: ["cancel", { wait_s: 0 }],
  resume: ["resume", {}],
  resume_failed: ["resume", { failed: true }],
  run_again: ["run-again", {}],
  remove: ["remove", {}],
  recover: ["recover", {}],
};

/** Something that is done with one job, or several. */
export function useJobVerb(): UseMutationResult<JobRow[], Error, { jobs: string[]; verb: JobVerb }> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ jobs, verb }) => {
      const [path, body] = REQUESTS[verb];
      return Promise.all(jobs.map((job) => post<JobRow>(`/jobs/${segment(job)}/${path}`, body)));
    },
    onSettled: (_done, _error, { jobs }) => {
      void client.invalidateQueries({ queryKey: ["jobs"] });
      for (const job of jobs) void client.invalidateQueries({ queryKey: ["job", job] });
    },
  });
}

export type JobWords = { job: string } & ({ note: string } | { add: string[]; remove: string[] });

/** A job's note, or its tags. */
export function useJobWords(): UseMutationResult<JobRow, Error, JobWords> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (words) =>
      "note" in words
        ? post<JobRow>(`/jobs/${segment(words.job)}/note`, { text: words.note })
        : post<JobRow>(`/jobs/${segment(words.job)}/tags`, { add: words.add, remove: words.remove }),
    onSettled: (_done, _error, { job }) => {
      void client.invalidateQueries({ queryKey: ["jobs"] });
      void client.invalidateQueries({ queryKey: ["job", job] });
    },
  });
}
