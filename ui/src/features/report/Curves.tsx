/** ROC curves of all classes, where the evaluation logged them. Drawn when asked for: the drawing is a large part of the program. */

import { useMemo, useState, type ReactNode } from "react";
import { useNavigate } from "react-router";

import { useSeries, useTables } from "../../api/tables";
import { Section } from "../../components/PageHead";
import { Loaded } from "../../components/states";
import { Chart } from "../charts/Chart";

const PREFIX = "roc_auc/";

export function Curves({ job }: { job: string }): ReactNode {
  const tables = useTables(job).data ?? [];
  const names = tables.filter((each) => each.name.startsWith(PREFIX)).map((each) => each.name);
  const [shown, setShown] = useState("");
  if (names.length === 0) return null;
  const at = names.includes(shown) ? shown : "";
  return (
    <Section
      title="ROC curve"
      beside={
        <label className="check">
          <span className="muted">class</span>
          <select className="select" value={at} onChange={(event) => setShown(event.target.value)}>
            <option value="">choose</option>
            {names.map((each) => (
              <option key={each} value={each}>
                {each.slice(PREFIX.length)}
              </option>
            ))}
          </select>
        </label>
      }
    >
      {at === "" ? <p className="muted">Choose a class to draw its curve.</p> : <Curve job={job} table={at} />}
    </Section>
  );
}

function Curve({ job, table }: { job: string; table: string }): ReactNode {
  const navigate = useNavigate();
  const series = useSeries(job, ["fpr", "tpr", "threshold"], { table, where: "" });
  const spec = useMemo(() => (series.data ? specOf(series.data.columns) : null), [series.data]);
  return (
    <Loaded query={series}>
      {() =>
        spec && (
          <Chart
            spec={spec}
            label={`ROC curve of class ${table.slice(PREFIX.length)}`}
            onPick={(datum) => {
              const where = typeof datum.threshold === "number" ? `threshold == ${datum.threshold}` : "";
              void navigate(`/jobs/${job}/tables?${new URLSearchParams({ table, where }).toString()}`);
            }}
          />
        )
      }
    </Loaded>
  );
}

function specOf(columns: Record<string, unknown[]>): Record<string, unknown> {
  const { fpr = [], tpr = [], threshold = [] } = columns;
  const values = fpr.map((each, at) => ({ fpr: each, tpr: tpr[at], threshold: threshold[at] }));
  const axis = (field: string, title: string): Record<string, unknown> => ({ field, title, type: "quantitative", scale: { domain: [0, 1] } });
  return {
    layer: [
      { data: { values: [{ at: 0 }, { at: 1 }] }, mark: { type: "line", strokeDash: [4, 4], color: "#8c95a3" }, encoding: { x: { field: "at", type: "quantitative" }, y: { field: "at", type: "quantitative" } } },
      {
        data: { values },
        mark: { type: "line", point: { size: 45 }, interpolate: "linear" },
        encoding: {
          x: axis("fpr", "false positive rate"),
          y: axis("tpr", "true positive rate"),
          order: { field: "fpr", type: "quantitative" },
          tooltip: ["fpr", "tpr", "threshold"].map((field) => ({ field, type: "quantitative", format: ".3f" })),
        },
      },
    ],
  };
}
