/** Several runs against one of them, and the rows on which they differ. */

import {
  keepPreviousData,
  useInfiniteQuery,
  useQuery,
  type InfiniteData,
  type UseInfiniteQueryResult,
  type UseQueryResult,
} from "@tanstack/react-query";

import { get } from "./client";
import type { ComparisonView, DifferencesView, Flip } from "./schema";

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
