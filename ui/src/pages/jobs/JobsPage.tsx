/** All evaluations of a project. */

import type { ReactNode } from "react";
import { useParams } from "react-router";

import { PageHead } from "../../components/PageHead";
import { JobList } from "../../features/jobs/JobList";

export function Component(): ReactNode {
  const { project = "" } = useParams();
  return (
    <div className="page">
      <PageHead title="Evaluations" />
      <JobList key={project} project={project} />
    </div>
  );
}
