/** All evaluations with a column for every metric: searched, filtered, sorted, and chosen for a comparison. */

import { useCallback, useMemo, type ReactNode } from "react";
import { useNavigate } from "react-router";

import { ApiError } from "../../api/client";
import { useJobs, type JobsWanted } from "../../api/jobs";
import type { JobRow } from "../../api/schema";
import { Empty, Failure, Skeleton, Stale } from "../../components/states";
import { Table } from "../../components/Table";
import { count } from "../../lib/format";
import { useKept } from "../kept";
import { ColumnChooser } from "../rows/ColumnChooser";
import { FilterBox } from "../rows/FilterBox";
import { useUrlState, wordsNow } from "../urlState";
import { AFTER, BEFORE, FACTS, jobColumns, METRICS_SHOWN, NARROW } from "./columns";
import { metricTitle, rankMetrics } from "./metrics";
import { SearchBox } from "./SearchBox";
import { SelectionBar } from "./SelectionBar";
import { ViewMenu } from "./ViewMenu";

export function JobList({ project }: { project: string }): ReactNode {
  const url = useUrlState();
  const navigate = useNavigate();
  const [widths, setWidths] = useKept<Record<string, number>>("widths:jobs", {});
  const wanted: JobsWanted = {
    project,
    search: url.get("search"),
    where: url.get("where"),
    sort: url.get("sort", "created_at"),
    descending: !url.has("asc"),
    removed: url.has("removed"),
  };
  const jobs = useJobs(wanted);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = jobs;
  const pages = jobs.data?.pages;
  const rows = useMemo(() => pages?.flatMap((each) => each.items) ?? [], [pages]);
  const metrics = useMemo(() => rankMetrics(pages?.[0]?.columns ?? []), [pages]);
  const total = pages?.[0]?.total ?? 0;
  const custom = url.all("col");
  const shown = custom.length > 0 ? custom : firstColumns(metrics.slice(0, METRICS_SHOWN));
  const chosen = url.all("run");
  const toggle = (job: JobRow): void => {
    const now = wordsNow().getAll("run");
    url.set({ run: now.includes(job.id) ? now.filter((each) => each !== job.id) : [...now, job.id] });
  };

  const onSight = useCallback(
    (_first: number, end: number) => {
      if (end + 60 > rows.length && hasNextPage && !isFetchingNextPage) void fetchNextPage();
    },
    [rows.length, hasNextPage, isFetchingNextPage, fetchNextPage],
  );
  const filterError = jobs.error instanceof ApiError && !jobs.error.isOffline && wanted.where !== "" ? `${jobs.error.message}. ${jobs.error.hint}` : "";
  const isFiltered = wanted.search !== "" || wanted.where !== "";

  return (
    <>
      <div className="toolbar">
        <SearchBox value={wanted.search} onChange={(search) => url.set({ search })} />
        <FilterBox
          label="Filter evaluations"
          value={wanted.where}
          onChange={(where) => url.set({ where }, true)}
          placeholder='Filter: status == "success" and summary/accuracy > 0.9'
          error={filterError}
        />
        <span className="muted num" role="status">
          {jobs.isPending || jobs.isPlaceholderData ? "…" : count(total, "evaluation")}
        </span>
        <ViewMenu />
        <ColumnChooser all={[...Object.keys(FACTS), ...metrics]} shown={shown} onChange={(next) => url.set({ col: next })} title={(name) => FACTS[name]?.title ?? metricTitle(name)} pinned={url.all("pin")} onPin={(pin) => url.set({ pin })} />
      </div>
      {jobs.isPending ? (
        <Skeleton rows={10} />
      ) : jobs.error !== null && pages === undefined ? (
        filterError === "" && <Failure error={jobs.error} onAgain={() => void jobs.refetch()} />
      ) : total === 0 ? (
        <NoJobs isFiltered={isFiltered} isRemoved={wanted.removed} onClear={() => url.set({ search: null, where: null })} />
      ) : (
        <Stale isStale={jobs.isPlaceholderData}>
          <Table
            label="Evaluations"
            columns={jobColumns(shown, rows, url.all("pin"), { isChosen: (job) => chosen.includes(job.id), onChoose: toggle })}
            rowCount={total}
            rowAt={(index) => rows[index]}
            onSight={onSight}
            sort={{ column: wanted.sort, descending: wanted.descending }}
            onSort={(sort) => url.set({ sort: sort.column, asc: !sort.descending })}
            onOpen={(job) => void navigate(`/jobs/${job.id}`)}
            onChoose={toggle}
            isChosen={(job) => chosen.includes(job.id)}
            widths={widths}
            onWidth={(column, width) => setWidths({ ...widths, [column]: width })}
            height="max(320px, calc(100vh - 250px))"
          />
        </Stale>
      )}
      <SelectionBar jobs={rows} chosen={chosen} areRemoved={wanted.removed} onChange={(run) => url.set({ run })} />
    </>
  );
}

function firstColumns(metrics: readonly string[]): string[] {
  return window.innerWidth < NARROW ? [...metrics, ...BEFORE, ...AFTER] : [...BEFORE, ...metrics, ...AFTER];
}

function NoJobs({ isFiltered, isRemoved, onClear }: { isFiltered: boolean; isRemoved: boolean; onClear: () => void }): ReactNode {
  if (isFiltered)
    return (
      <div className="state">
        <h2>No evaluation fits</h2>
        <button type="button" className="button" onClick={onClear}>
          Show all
        </button>
      </div>
    );
  if (isRemoved) return <Empty title="Nothing was removed">Evaluations that you remove are kept here until they are deleted for good with swcli gc.</Empty>;
  return (
    <Empty title="No evaluations yet" command="swcli model run evaluation.py -d DATASET">
      Run one, and it shows here while it goes on. Without an evaluation.py, begin with swcli init.
    </Empty>
  );
}
