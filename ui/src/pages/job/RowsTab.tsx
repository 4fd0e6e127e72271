/** Every row of an evaluation. */

import type { ReactNode } from "react";

import { RowsPanel } from "../../features/rows/RowsPanel";
import { useOpenedJob } from "./JobPage";

export function Component(): ReactNode {
  const { job, dataset_uris: uris } = useOpenedJob();
  return <RowsPanel job={job.id} table="results" uris={uris} />;
}
