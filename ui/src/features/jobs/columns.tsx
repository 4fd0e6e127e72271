/** Columns of the list of evaluations: facts of the system, and one for every metric. */

import type { ReactNode } from "react";
import { Link } from "react-router";

import type { JobRow } from "../../api/schema";
import { Status } from "../../components/Status";
import type { Column } from "../../components/Table";
import { asNumber, kindOf, type Cell } from "../../lib/cell";
import { age, date, duration, fixed, fractionDigits, interval, number, short } from "../../lib/format";
import { CellView } from "../../media/CellView";
import { metricTitle, SUMMARY } from "./metrics";

/** Columns of the system by the name that the API sorts and filters by. */
export const FACTS: Record<string, { title: string; width: number; align?: "right"; cell: (job: JobRow, now: number) => ReactNode }> = {
  status: { title: "Status", width: 120, cell: (job) => <Status status={job.status} /> },
  datasets: { title: "Datasets", width: 160, cell: (job) => <Names names={job.datasets.map((each) => each.replace(/@.*/, ""))} full={job.datasets.join(", ")} /> },
  model: { title: "Model", width: 150, cell: (job) => <Names names={[job.model.replace(/@.*/, "")]} full={job.model} /> },
  rows: { title: "Rows", width: 100, align: "right", cell: (job) => <Progress job={job} /> },
  failed: { title: "Failed", width: 80, align: "right", cell: (job) => <span className={`num ${job.failed > 0 ? "bad" : "muted"}`}>{number(job.failed)}</span> },
  created_at: { title: "Started", width: 120, cell: (job, now) => <span className="muted nowrap" title={date(job.created_at)}>{age(job.created_at, now)}</span> },
  duration: { title: "Took", width: 100, align: "right", cell: (job) => <span className="num muted">{job.finished_at === null ? "" : duration(job.finished_at - job.created_at)}</span> },
  handler: { title: "Handler", width: 170, cell: (job) => <span className="clip">{job.handler}</span> },
  tags: { title: "Tags", width: 130, cell: (job) => <span className="chips">{job.tags.map((each) => <span key={each} className="badge">{each}</span>)}</span> },
  note: { title: "Note", width: 200, cell: (job) => <span className="clip" title={job.note}>{job.note}</span> },
};

export const BEFORE = ["status"];
export const AFTER = ["datasets", "model", "rows", "created_at"];
/** Where there is no room beside the name, figures come before the status. */
export const NARROW = 720;
/** Metrics that the list shows when nobody has chosen. */
export const METRICS_SHOWN = 5;
function Names({ names, full }: { names: string[]; full: string }): ReactNode {
  return (
    <span className="clip" title={full}>
      {names.join(", ")}
    </span>
  );
}

function Progress({ job }: { job: JobRow }): ReactNode {
  if (job.done === job.rows || job.rows === 0) return <span className="num">{number(job.done)}</span>;
  return (
    <span className="num" title={`${number(job.done)} of ${number(job.rows)} rows`}>
      {Math.floor((job.done / job.rows) * 100)} %
    </span>
  );
}

interface Choice {
  isChosen: (job: JobRow) => boolean;
  onChoose: (job: JobRow) => void;
}

export function jobColumns(names: readonly string[], jobs: readonly JobRow[], pinned: readonly string[], choice: Choice): Column<JobRow>[] {
  const now = Date.now() / 1000;
  const first: Column<JobRow>[] = [
    {
      id: "_choice",
      title: "",
      hint: "Choose for a comparison",
      width: 40,
      pinned: true,
      cell: (job) => (
        <input
          type="checkbox"
          tabIndex={-1}
          aria-label={`Choose ${job.name || short(job.id)}`}
          checked={choice.isChosen(job)}
          onChange={() => choice.onChoose(job)}
        />
      ),
    },
    {
      id: "name",
      title: "Name",
      width: 170,
      pinned: true,
      sortable: true,
      cell: (job) => (
        <Link className="clip" to={`/jobs/${job.id}`} title={job.name || job.id} tabIndex={-1}>
          {job.name || <span className="mono">{short(job.id)}</span>}
        </Link>
      ),
    },
  ];
  const others = names.map((name) => (name.startsWith(SUMMARY) ? metricColumn(name, jobs) : factColumn(name, now)));
  const isPinned = (each: Column<JobRow>): boolean => pinned.includes(each.id);
  return [...first, ...others.filter(isPinned).map((each) => ({ ...each, pinned: true })), ...others.filter((each) => !isPinned(each))];
}

function factColumn(name: string, now: number): Column<JobRow> {
  const fact = FACTS[name];
  return {
    id: name,
    title: fact?.title ?? name,
    width: fact?.width ?? 120,
    ...(fact?.align ? { align: fact.align } : {}),
    sortable: true,
    cell: (job) => fact?.cell(job, now) ?? null,
  };
}

function metricColumn(column: string, jobs: readonly JobRow[]): Column<JobRow> {
  const name = metricTitle(column);
  const cells = jobs.map((each) => (each.summary as Record<string, Cell>)[name]);
  const values = cells.map(asNumber).filter(Number.isFinite);
  const areTexts = values.length === 0 && cells.some((each) => kindOf(each) === "text");
  const digits = fractionDigits(values);
  const format = (value: number): string => (digits === 0 ? number(value) : fixed(value, digits));
  const hasIntervals = jobs.some((each) => name in each.intervals);
  return {
    id: column,
    title: name,
    width: Math.max(hasIntervals ? 150 : 96, Math.min(180, name.length * 8 + 36)),
    ...(areTexts ? {} : { align: "right" as const }),
    sortable: true,
    cell: (job) => (
      <>
        {hasIntervals && <Half ends={job.intervals[name]} />}
        <CellView cell={(job.summary as Record<string, Cell>)[name]} format={format} />
      </>
    ),
  };
}

/** Half the width of an interval, before its value; both ends when one points at it. */
function Half({ ends }: { ends: readonly number[] | undefined }): ReactNode {
  const [low, high] = ends ?? [];
  if (low === undefined || high === undefined) return null;
  return (
    <span className="half muted num" title={`95 % ${interval(low, high)}`}>
      ±{fixed((high - low) / 2, 3)}
    </span>
  );
}
