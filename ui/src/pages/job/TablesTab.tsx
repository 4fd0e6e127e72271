/** Every table that an evaluation logged, as rows or as a chart. */

import type { ReactNode } from "react";

import { useTables } from "../../api/tables";
import { Empty, Loaded } from "../../components/states";
import { ChartBuilder } from "../../features/charts/ChartBuilder";
import { RowsPanel } from "../../features/rows/RowsPanel";
import { useUrlState } from "../../features/urlState";
import { count } from "../../lib/format";
import { useOpenedJob } from "./JobPage";

export function Component(): ReactNode {
  const { job, dataset_uris: uris } = useOpenedJob();
  const url = useUrlState();
  const tables = useTables(job.id);
  return (
    <Loaded query={tables}>
      {(all) => {
        const others = all.filter((each) => each.name !== "results");
        const table = others.find((each) => each.name === url.get("table")) ?? others[0];
        if (!table) return <Empty title="No tables were logged">evaluation.log(&quot;scores&quot;, id=…, metrics=…) makes one.</Empty>;
        const isChart = url.get("show") === "chart";
        const choose = (
          <>
            <select
              className="select"
              aria-label="Table"
              value={table.name}
              onChange={(event) => url.set({ table: event.target.value, where: null, sort: null, desc: null, col: null, row: null, at: null, x: null, y: null, colour: null }, true)}
            >
              {others.map((each) => (
                <option key={each.name} value={each.name}>
                  {each.name} ({count(each.rows, "row")})
                </option>
              ))}
            </select>
            <button type="button" className="button" aria-pressed={isChart} onClick={() => url.set({ show: isChart ? null : "chart" })}>
              Chart
            </button>
          </>
        );
        if (!isChart) return <RowsPanel key={table.name} job={job.id} table={table.name} uris={uris} beside={choose} />;
        return (
          <div className="page">
            <div className="toolbar">{choose}</div>
            <ChartBuilder key={table.name} job={job.id} table={table} />
          </div>
        );
      }}
    </Loaded>
  );
}
