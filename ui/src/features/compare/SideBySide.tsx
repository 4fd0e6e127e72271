/** The same chart of every run beside each other: how the score spreads, curves by class, confusion matrices. */

import type { ReactNode } from "react";
import { useNavigate } from "react-router";

import { useJobs } from "../../api/comparison";
import type { ComparedRun, JobView } from "../../api/schema";
import { useHistogram, useSeriesOf, useTables } from "../../api/tables";
import { CurvePlot } from "../../components/CurvePlot";
import { Section } from "../../components/PageHead";
import { Empty, Loaded } from "../../components/states";
import { asNumber, type Cell } from "../../lib/cell";
import { count } from "../../lib/format";
import { prOfRoc, type Point } from "../../lib/threshold";
import { BinBars, condition } from "../charts/Spread";
import { Confusion } from "../report/Confusion";
import { confusionsOf } from "../report/confusions";
import { PREFIX, supportOf } from "../report/Curves";
import { useUrlState } from "../urlState";

type Run = Pick<ComparedRun, "id" | "name">;

export function SideBySide({ runs, metric }: { runs: readonly Run[]; metric: string }): ReactNode {
  const views = useJobs(runs.map((each) => each.id));
  const tables = useTables(runs[0]?.id ?? "").data ?? [];
  const classes = tables.filter((each) => each.name.startsWith(PREFIX)).map((each) => each.name.slice(PREFIX.length));
  const at = tables.map((each) => each.name).filter((name) => metric.startsWith(`${name}.`)).sort((a, b) => b.length - a.length)[0] ?? "";
  const matrices = views.flatMap((each, place) => ((each.data ? confusionsOf(report(each.data)) : []).map((matrix) => ({ run: runs[place], job: each.data?.job.id ?? "", matrix }))));
  return (
    <div className="sections">
      {at !== "" &&
        runs.map((run) => (
          <Section key={run.id} title={`${metric} of ${run.name}`}>
            <Spread run={run.id} table={at} column={metric.slice(at.length + 1)} />
          </Section>
        ))}
      {classes.length > 0 && <Curves runs={runs} classes={classes} views={views.map((each) => each.data)} />}
      {matrices.map(({ run, job, matrix }) => (
        <Confusion key={`${job} ${matrix.slice}`} job={job} title={`Confusion matrix of ${run?.name ?? ""}${matrix.slice ? `, ${matrix.slice}` : ""}`} matrix={matrix} />
      ))}
      {at === "" && classes.length === 0 && matrices.length === 0 && <Empty title="Nothing to draw">These runs logged no curves and no confusion matrices.</Empty>}
    </div>
  );
}

function report(view: JobView): Record<string, Cell> {
  return view.report as Record<string, Cell>;
}

function Spread({ run, table, column }: { run: string; table: string; column: string }): ReactNode {
  const navigate = useNavigate();
  const found = useHistogram(run, column, { table, where: "" });
  return (
    <Loaded query={found} rows={3}>
      {(view) => (
        <>
          <BinBars
            bins={view.bins}
            label={`${column} of ${count(view.total, "row")}`}
            onPick={(bin) => void navigate(`/jobs/${run}/tables?${new URLSearchParams({ table, where: condition(column, bin, bin === view.bins.at(-1)) }).toString()}`)}
          />
          {view.missing > 0 && <p className="muted">{count(view.missing, "row")} without a value</p>}
        </>
      )}
    </Loaded>
  );
}

function Curves({ runs, classes, views }: { runs: readonly Run[]; classes: readonly string[]; views: readonly (JobView | undefined)[] }): ReactNode {
  const url = useUrlState();
  const chosen = classes.find((each) => each === url.get("of")) ?? classes[0] ?? "";
  const series = useSeriesOf(runs.map((each) => ({ job: each.id, table: PREFIX + chosen })), ["fpr", "tpr"]);
  const curves = runs.map((run, place) => {
    const columns = series[place]?.data?.columns as Record<string, Cell[]> | undefined;
    const [fpr, tpr] = [(columns?.fpr ?? []).map(asNumber), (columns?.tpr ?? []).map(asNumber)];
    const support = supportOf(views[place], chosen);
    return { name: run.name, roc: fpr.map((each, at): Point => [each, tpr[at] ?? Number.NaN]), pr: support ? prOfRoc(fpr, tpr, support.positives, support.negatives) : [] };
  });
  const pick = (
    <label className="check">
      <span className="muted">class</span>
      <select className="select" value={chosen} onChange={(event) => url.set({ of: event.target.value })}>
        {classes.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </label>
  );
  return (
    <>
      <Section title={`ROC of class ${chosen}`} beside={pick}>
        <CurvePlot label="ROC curves" x="false positive rate" y="true positive rate" diagonal curves={curves.map((each) => ({ name: each.name, points: each.roc }))} />
      </Section>
      <Section title={`Precision and recall of class ${chosen}`}>
        <CurvePlot label="Precision and recall" x="recall" y="precision" curves={curves.map((each) => ({ name: each.name, points: each.pr }))} />
      </Section>
    </>
  );
}
