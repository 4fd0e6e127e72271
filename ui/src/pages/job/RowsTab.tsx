/** Every row of an evaluation: what predict gave, and the rows on which it failed. */

import type { ReactNode } from "react";

import { useUrlState } from "../../features/urlState";
import { RowsPanel } from "../../features/rows/RowsPanel";
import { number } from "../../lib/format";
import { useOpenedJob } from "./JobPage";

export function Component(): ReactNode {
  const { job, dataset_uris: uris } = useOpenedJob();
  const url = useUrlState();
  const isApart = job.failed > 0 && job.executor !== "online"; // what was tried online stands in one table, errors too
  const isFailed = url.get("of") === "failed" && isApart;
  const choose = isApart && (
    <>
      {([["", "Done", job.done - job.failed], ["failed", "Failed", job.failed]] as const).map(([name, title, rows]) => (
        <button
          key={name}
          type="button"
          className="button"
          aria-pressed={isFailed === (name === "failed")}
          onClick={() => url.set({ of: name, where: null, sort: null, desc: null, col: null, row: null, at: null }, true)}
        >
          {title} {number(rows)}
        </button>
      ))}
    </>
  );
  const table = isFailed ? "errors" : "results";
  return <RowsPanel key={table} job={job.id} table={table} uris={uris} beside={choose} />;
}
