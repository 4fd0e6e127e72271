/** Several runs against one of them: the verdict first, then figures, then the rows. */

import type { ReactNode } from "react";
import { Link } from "react-router";

import { useComparison, useSharedMetrics } from "../../api/comparison";
import { useJob, useRecentJobs } from "../../api/jobs";
import type { ComparisonView } from "../../api/schema";
import { useTables } from "../../api/tables";
import { PageHead, Section } from "../../components/PageHead";
import { Empty, Loaded } from "../../components/states";
import { Choice } from "../../features/compare/Choice";
import { Differences } from "../../features/compare/Differences";
import { Flips } from "../../features/compare/Flips";
import { SideBySide } from "../../features/compare/SideBySide";
import { Threshold } from "../../features/compare/Threshold";
import { firstVerdict, Metrics } from "../../features/compare/Metrics";
import { isLowerBetter, preferredScore } from "../../features/jobs/metrics";
import { useHeldColumns } from "../../features/report/heldColumns";
import { useUrlState } from "../../features/urlState";
import { short } from "../../lib/format";

export function Component(): ReactNode {
  const url = useUrlState();
  const runs = url.all("run");
  return (
    <div className="page" style={{ gap: 24 }}>
      <PageHead title="Compare">
        <Add runs={runs} />
      </PageHead>
      {runs.length < 2 ? (
        <Empty title="Choose another run to compare with">The first run is the baseline: the others are measured against it, row by row.</Empty>
      ) : (
        <Compared key={runs.join(" ")} runs={runs} />
      )}
    </div>
  );
}

function Add({ runs }: { runs: readonly string[] }): ReactNode {
  const url = useUrlState();
  const recent = useRecentJobs(useJob(runs[0] ?? "", runs.length > 0).data?.job.project ?? "").data ?? [];
  const datasets = new Set(recent.filter((each) => runs.includes(each.id)).flatMap((each) => each.datasets));
  const others = recent.filter((each) => !runs.includes(each.id) && each.status === "success");
  others.sort((a, b) => Number(b.datasets.some((each) => datasets.has(each))) - Number(a.datasets.some((each) => datasets.has(each))));
  return (
    <select className="select" aria-label="Add a run" value="" onChange={(event) => url.set({ run: [...runs, event.target.value] }, true)}>
      <option value="">Add a run…</option>
      {others.map((each) => (
        <option key={each.id} value={each.id}>
          {each.name || short(each.id)} · {each.datasets.map((one) => one.replace(/@.*/, "")).join(", ")}
        </option>
      ))}
    </select>
  );
}

function Compared({ runs }: { runs: string[] }): ReactNode {
  const url = useUrlState();
  const shared = useSharedMetrics(runs);
  const names = shared.data ?? [];
  const asked = url.all("metric").filter((each) => names.includes(each));
  const preferred = preferredScore(names);
  const metric = asked.length > 0 ? asked : preferred === undefined ? [] : [preferred];
  const lower = url.has("lower") ? url.all("lower").filter((each) => metric.includes(each)) : metric.filter(isLowerBetter);
  const wanted = { run: runs, metric, lower_is_better: lower, by: url.all("by") };
  const comparison = useComparison(wanted, metric.length > 0);
  const tables = useTables(runs[0] ?? "");
  const held = useHeldColumns(runs[0] ?? "", []); // inputs are no columns of the table itself
  const own = tables.data?.find((each) => each.name === "results")?.columns ?? [];
  const inputs = held.inputs.map((name) => ({ name, kind: held.kindOf(name) })).filter((each) => each.kind !== "");
  const columns = [...new Set([...own, ...inputs].filter((each) => /^(int|str|bool|)$/.test(each.kind) && !/^_|^id$|duration/.test(each.name)).map((each) => each.name))];
  const part = usePart();
  const isUnclear = shared.data !== undefined && metric.length === 0;
  if (shared.error) return <Loaded query={shared}>{() => null}</Loaded>;
  if (isUnclear)
    return (
      <>
        <Unclear names={names} />
        {names.length === 0 && <Differences runs={runs.map((id) => ({ id, name: short(id) }))} />}
      </>
    );
  return (
    <Loaded query={comparison} rows={8}>
      {(view) => (
        <>
          <Verdict view={view} />
          <Section title="Metrics" wide beside={<span className="toolbar"><Choice metrics={names} chosen={metric} columns={columns} /></span>}>
            <Metrics view={view} />
            <Notes view={view} />
          </Section>
          <Parts />
          {part === "rows" && <Flips view={view} wanted={wanted} />}
          {part === "threshold" && <Threshold runs={runs} />}
          {part === "charts" && <SideBySide runs={view.runs} metric={metric[0] ?? ""} />}
          {part === "differences" && <Differences runs={view.runs} />}
        </>
      )}
    </Loaded>
  );
}

const PARTS = [["rows", "Rows that changed"], ["threshold", "Threshold"], ["charts", "Side by side"], ["differences", "What differs"]] as const;

function usePart(): string {
  const shown = useUrlState().get("show");
  return PARTS.find(([name]) => name === shown)?.[0] ?? PARTS[0][0];
}

function Parts(): ReactNode {
  const url = useUrlState();
  const part = usePart();
  return (
    <nav className="tabs" aria-label="Parts of the comparison">
      {PARTS.map(([name, title]) => {
        const words = new URLSearchParams(url.text);
        words.set("show", name);
        return (
          <Link key={name} to={`?${words.toString()}`} preventScrollReset className={name === part ? "active" : ""} aria-current={name === part ? "page" : undefined}>
            {title}
          </Link>
        );
      })}
    </nav>
  );
}

/** No score by row says by its name that it is one. */
function Unclear({ names }: { names: readonly string[] }): ReactNode {
  const url = useUrlState();
  if (names.length === 0)
    return (
      <Empty title="These runs have no scores by row in common">
        A comparison pairs rows, so it needs a score for each: evaluation.log(&quot;graded&quot;, id=row[&quot;id&quot;], metrics=&#123;&quot;correct&quot;: …&#125;) in the evaluate function.
      </Empty>
    );
  return (
    <div className="state">
      <h2>By which score?</h2>
      <p>Columns of numbers that all of these runs have for their rows:</p>
      <div className="chips" style={{ justifyContent: "center" }}>
        {names.map((each) => (
          <button key={each} type="button" className="button small" onClick={() => url.set({ metric: each }, true)}>
            {each}
          </button>
        ))}
      </div>
    </div>
  );
}

function Verdict({ view }: { view: ComparisonView }): ReactNode {
  const url = useUrlState();
  return (
    <div className="page" style={{ gap: 8 }}>
      <p className={`verdict ${firstVerdict(view)}`}>{view.sentence}</p>
      <div className="toolbar">
        {view.runs.map((each) => (
          <span key={each.id} className="badge">
            <Link to={`/jobs/${each.id}`}>{each.name}</Link>
            {each.id === view.baseline ? (
              <span className="muted">baseline</span>
            ) : (
              <button type="button" className="link-button" title="Measure the others against this run" onClick={() => url.set({ run: [each.id, ...view.runs.map((one) => one.id).filter((id) => id !== each.id)] })}>
                make baseline
              </button>
            )}
            {view.runs.length > 2 && (
              <button type="button" className="link-button" aria-label={`Leave ${each.name} out`} onClick={() => url.set({ run: view.runs.map((one) => one.id).filter((id) => id !== each.id) })}>
                ✕
              </button>
            )}
          </span>
        ))}
      </div>
    </div>
  );
}

/** What has to be known of how rows were brought together, as the command line says it. */
function Notes({ view }: { view: ComparisonView }): ReactNode {
  return (
    <ul className="notes muted">
      {view.notes.map((each) => (
        <li key={each}>{each}</li>
      ))}
    </ul>
  );
}
