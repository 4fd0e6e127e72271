/** Several runs against one of them, and the rows on which they differ. */

import {
  keepPreviousData,
  useInfiniteQuery,
  useQueries,
  useQuery,
  type InfiniteData,
  type UseInfiniteQueryResult,
  type UseQueryResult,
} from "@tanstack/react-query";

import { get, segment } from "./client";
import type { ComparisonView, DifferencesView, Flip, JobView, ThresholdsView } from "./schema";

export interface ComparisonWanted {
  run: string[];
  metric: string[];
  lower_is_better: string[];
  by: string[];
}

export interface FlipsWanted extends ComparisonWanted {
  candidate: string;
  direction: "gained" | "lost" | "both";
}

export interface FlipPage {
  items: Flip[];
  next: string | null;
  total: number | null;
}

export function useComparison(wanted: ComparisonWanted, isWanted: boolean): UseQueryResult<ComparisonView> {
  return useQuery({
    queryKey: ["comparison", wanted],
    enabled: isWanted,
    retry: false,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => get<ComparisonView>("/comparison", { ...wanted }, signal),
  });
}

/** What the runs can be compared by. */
export function useSharedMetrics(run: string[]): UseQueryResult<string[]> {
  return useQuery({
    queryKey: ["comparison", "metrics", run],
    enabled: run.length > 0,
    retry: false,
    queryFn: async ({ signal }) => (await get<{ items: string[] }>("/comparison/metrics", { run }, signal)).items,
  });
}

export function useDifferences(run: string[]): UseQueryResult<DifferencesView> {
  return useQuery({
    queryKey: ["comparison", "differences", run],
    enabled: run.length > 1,
    queryFn: ({ signal }) => get<DifferencesView>("/comparison/differences", { run }, signal),
  });
}

export function useFlips(wanted: FlipsWanted, isWanted: boolean): UseInfiniteQueryResult<InfiniteData<FlipPage>> {
  return useInfiniteQuery({
    queryKey: ["comparison", "flips", wanted],
    enabled: isWanted,
    retry: false,
    initialPageParam: "",
    getNextPageParam: (page: FlipPage) => page.next,
    queryFn: ({ pageParam, signal }) => get<FlipPage>("/comparison/flips", { ...wanted, after: pageParam, limit: 20 }, signal),
  });
}

export interface ThresholdsWanted {
  run: string[];
  table: string;
  score: string;
  truth: string;
  positive: string;
}

/** Counts of scores, from which figures at every threshold follow. */
export function useThresholds(wanted: ThresholdsWanted | null): UseQueryResult<ThresholdsView> {
  return useQuery({
    queryKey: ["comparison", "thresholds", wanted],
    enabled: wanted !== null,
    retry: false,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => get<ThresholdsView>("/comparison/thresholds", { ...wanted }, signal),
  });
}

/** Several jobs, one query each, kept as that of their pages. */
export function useJobs(jobs: readonly string[]): UseQueryResult<JobView>[] {
  return useQueries({ queries: jobs.map((job) => ({ queryKey: ["job", job, "view"], queryFn: ({ signal }: { signal: AbortSignal }) => get<JobView>(`/jobs/${segment(job)}`, {}, signal) })) });
}
