/** One evaluation: its report, every row, every table, and how it ran. */

import { type ReactNode } from "react";
import { Link, Navigate, NavLink, Outlet, useLocation, useOutletContext, useParams } from "react-router";

import { ApiError } from "../../api/client";
import { useJob, useJobVerb } from "../../api/jobs";
import type { JobView } from "../../api/schema";
import { PageHead } from "../../components/PageHead";
import { isLive, Status } from "../../components/Status";
import { Loaded } from "../../components/states";
import { Words } from "../../features/jobs/Words";
import { Controls } from "../../features/run/Controls";
import { age, count, date, duration, number, short } from "../../lib/format";

export function useOpenedJob(): JobView {
  return useOutletContext<JobView>();
}

export function Component(): ReactNode {
  const { job = "" } = useParams();
  const { pathname, search } = useLocation();
  const query = useJob(job);
  if (query.error instanceof ApiError && query.error.status === 404 && query.error.message.includes("was removed")) return <Removed job={job} />;
  return (
    <Loaded query={query} rows={10}>
      {(view) => {
        if (view.job.id !== job) {
          const rest = pathname.split("/").slice(3).join("/");
          return <Navigate to={`/jobs/${view.job.id}${rest === "" ? "" : `/${rest}`}${search}`} replace />;
        }
        return <Opened view={view} />;
      }}
    </Loaded>
  );
}

/** A removed evaluation shows nothing but the way back. */
function Removed({ job }: { job: string }): ReactNode {
  const verb = useJobVerb();
  return (
    <div className="state">
      <h1>This evaluation was removed</h1>
      <p>Its rows and logs are kept until they are deleted for good with swcli gc.</p>
      <button type="button" className="button primary" disabled={verb.isPending} onClick={() => verb.mutate({ jobs: [job], verb: "recover" })}>
        Recover
      </button>
      {verb.error && <p className="bad">{verb.error.message}</p>}
    </div>
  );
}

function Opened({ view }: { view: JobView }): ReactNode {
  const { job } = view;
  const base = `/jobs/${job.id}`;
  return (
    <div className="page">
      <PageHead title={job.name || short(job.id)} beside={<Status status={job.status} />} facts={<Facts view={view} />}>
        <Controls view={view} />
        <Words key={job.id} job={job} />
        <Link className="button" to={`/compare?run=${job.id}`}>
          Compare with…
        </Link>
      </PageHead>
      {isLive(job.status) && job.rows > 0 && (
        <div className="progress" role="progressbar" aria-valuemin={0} aria-valuemax={job.rows} aria-valuenow={job.done} aria-label="Rows done">
          <i style={{ width: `${(job.done / job.rows) * 100}%` }} />
        </div>
      )}
      <nav className="tabs" aria-label="Parts of this evaluation">
        <NavLink to={base} end>
          Report
        </NavLink>
        <NavLink to={`${base}/rows`}>Rows</NavLink>
        <NavLink to={`${base}/tables`}>Tables</NavLink>
        <NavLink to={`${base}/steps`}>How it ran</NavLink>
      </nav>
      <Outlet context={view} />
    </div>
  );
}

function Facts({ view: { job } }: { view: JobView }): ReactNode {
  const rows = job.rows > 0 && job.done !== job.rows ? `${number(job.done)} of ${count(job.rows, "row")}` : count(job.done, "row");
  return (
    <>
      <span className="mono">{short(job.id)}</span>
      <span>{job.datasets.join(", ")}</span>
      <span className="num">
        {rows}
        {job.failed > 0 && <span className="bad">, {number(job.failed)} failed</span>}
      </span>
      <span title={date(job.created_at)}>{age(job.created_at, Date.now() / 1000)}</span>
      {job.finished_at !== null && <span className="num">took {duration(job.finished_at - job.created_at)}</span>}
      {job.tags.map((each) => (
        <span key={each} className="badge">
          {each}
        </span>
      ))}
      {job.note !== "" && <span>“{job.note}”</span>}
    </>
  );
}
