/** What came of one evaluation: metrics, classes, the confusion matrix, curves, where the time went, what it ran on. */

import type { ReactNode } from "react";
import { Link } from "react-router";

import type { JobView } from "../../api/schema";
import { Command } from "../../components/Command";
import { Section } from "../../components/PageHead";
import { Empty } from "../../components/states";
import { Whisker } from "../../components/Whisker";
import { asNumber, asText, isObject, kindOf, type Cell, type Row } from "../../lib/cell";
import { count, interval } from "../../lib/format";
import { CellView } from "../../media/CellView";
import { isLive } from "../../components/Status";
import { rankMetrics } from "../jobs/metrics";
import { Classes } from "./Classes";
import { Confusion } from "./Confusion";
import { confusionsOf } from "./confusions";
import { Curves } from "./Curves";
import { Figures, figuresOf } from "./Figures";
import { RanOn } from "./RanOn";
import { TimeSpent } from "./TimeSpent";

export function Report({ view }: { view: JobView }): ReactNode {
  const report = view.report as Record<string, Cell>;
  const summary = isObject(report.summary) ? report.summary : {};
  const names = rankMetrics(Object.keys(summary)).filter((each) => each !== "kind");
  const labels = isObject(report.labels) ? report.labels : {};
  const errors = Array.isArray(report.errors) ? report.errors.filter(isObject) : [];
  return (
    <div className="sections">
      {view.error && <Failed error={view.error as Row} job={view.job.id} />}
      <Section title="Metrics" wide>
        {names.length === 0 ? (
          <Empty title={isLive(view.job.status) ? "No metrics yet" : "This evaluation logged no metrics"}>
            {isLive(view.job.status) ? "They show as soon as the evaluate step logs them." : "evaluation.log_summary(accuracy=0.97) in the evaluate function shows here."}
          </Empty>
        ) : (
          <Metrics summary={summary} names={names} intervals={intervalsOf(report)} />
        )}
      </Section>
      <Figures figures={figuresOf(report)} />
      {errors.length > 0 && <FirstErrors errors={errors} job={view.job.id} failed={view.job.failed} />}
      {confusionsOf(report).map((each) => (
        <Confusion key={each.slice} job={view.job.id} matrix={each} title={each.slice ? `Confusion matrix, ${each.slice}` : "Confusion matrix"} />
      ))}
      {Object.keys(labels).length > 0 && <Classes labels={labels} job={view.job.id} />}
      <Curves view={view} />
      <TimeSpent steps={view.steps} />
      <RanOn view={view} />
      <Section title="At the terminal">
        {Object.entries(view.commands).map(([name, text]) => (
          <Command key={name} text={text} />
        ))}
      </Section>
    </div>
  );
}

/** Intervals by the name of their metric: of the job's figures, else the one of the accuracy that was logged. */
function intervalsOf(report: Record<string, Cell>): Map<string, Around> {
  const found = new Map<string, Around>();
  const accuracy = report.accuracy;
  if (isObject(accuracy))
    found.set("accuracy", { low: asNumber(accuracy.low), high: asNumber(accuracy.high), value: asNumber(accuracy.value), method: asText(accuracy.method), n: asNumber(accuracy.count) });
  for (const each of figuresOf(report)) {
    const [low, high] = Array.isArray(each.ci) ? each.ci.map(asNumber) : [];
    if (asText(each.slice) === "" && asText(each.label) === "")
      found.set(asText(each.metric), { low: low ?? Number.NaN, high: high ?? Number.NaN, value: asNumber(each.value), method: asText(each.method), n: asNumber(each.n) });
  }
  return found;
}

function Metrics({ summary, names, intervals }: { summary: Row; names: readonly string[]; intervals: Map<string, Around> }): ReactNode {
  const single = names.filter((each) => kindOf(summary[each]) !== "object" && kindOf(summary[each]) !== "list");
  const nested = names.filter((each) => !single.includes(each));
  return (
    <>
      <div className="cards">
        {single.map((name) => (
          <div key={name} className="card">
            <span className="name">{name}</span>
            <span className="value">
              <CellView cell={summary[name]} />
            </span>
            {intervals.has(name) && <Interval of={intervals.get(name)} />}
          </div>
        ))}
      </div>
      {nested.map((name) => (
        <details key={name}>
          <summary>{name}</summary>
          <pre className="text-box mono">{asText(summary[name])}</pre>
        </details>
      ))}
    </>
  );
}

interface Around {
  low: number;
  high: number;
  value: number;
  method: string;
  n: number;
}

function Interval({ of }: { of: Around | undefined }): ReactNode {
  if (!of || !Number.isFinite(of.low) || !Number.isFinite(of.high)) return null;
  const { low, high, value } = of;
  const [from, to] = low >= 0 && high <= 1 ? [0, 1] : [low, high];
  return (
    <>
      <span className="muted num" title={`${of.method}, ${count(of.n, "row")}`}>
        95 % {interval(low, high)}
      </span>
      <Whisker low={low} high={high} value={value} from={from} to={to} />
    </>
  );
}

function Failed({ error, job }: { error: Row; job: string }): ReactNode {
  return (
    <Section title="Why it failed" wide>
      <p className="bad">{asText(error.message)}</p>
      {asText(error.frame) !== "" && <p className="mono muted">{asText(error.frame)}</p>}
      {asText(error.traceback) !== "" && (
        <details>
          <summary>Traceback</summary>
          <pre className="text-box mono">{asText(error.traceback)}</pre>
        </details>
      )}
      <p>
        <Link to={`/jobs/${job}/steps`}>How it ran, with logs</Link>
      </p>
    </Section>
  );
}

function FirstErrors({ errors, job, failed }: { errors: Row[]; job: string; failed: number }): ReactNode {
  return (
    <Section title="Rows that failed" wide beside={<Link to={`/jobs/${job}/rows?of=failed`}>{count(failed, "row")}</Link>}>
      <div className="table-scroll" tabIndex={0} role="region" aria-label="Rows that failed">
        <table className="plain full">
          <thead>
            <tr>
              <th>Row</th>
              <th>Error</th>
            </tr>
          </thead>
          <tbody>
            {errors.slice(0, 5).map((each, place) => (
              <tr key={place}>
                <td className="mono">{asText(each.id ?? each.row)}</td>
                <td className="bad">{asText(each.message ?? each.error ?? each.exception)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

