/** All evaluations of a project: as a list, as a leaderboard, over time. */

import type { ReactNode } from "react";
import { Link, useParams } from "react-router";

import { PageHead } from "../../components/PageHead";
import { Boards } from "../../features/jobs/Boards";
import { JobList } from "../../features/jobs/JobList";
import { useUrlState } from "../../features/urlState";

const SHOWN: [string, string][] = [
  ["", "List"],
  ["board", "Leaderboard"],
  ["time", "Over time"],
];

export function Component(): ReactNode {
  const { project = "" } = useParams();
  const show = useUrlState().get("show");
  return (
    <div className="page">
      <PageHead title="Evaluations">
        {SHOWN.map(([name, title]) => (
          <Link key={name} className="button small" to={name === "" ? "?" : `?show=${name}`} aria-current={show === name ? "page" : undefined}>
            {title}
          </Link>
        ))}
      </PageHead>
      {show === "board" || show === "time" ? <Boards project={project} kind={show} /> : <JobList key={project} project={project} />}
    </div>
  );
}
