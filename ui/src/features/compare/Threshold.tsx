/** A threshold over scores: moved by hand, and every figure of every run follows at once, because the counts are here. */

import { useMemo, useState, type ReactNode } from "react";
import { useNavigate } from "react-router";

import { useThresholds } from "../../api/comparison";
import type { ThresholdRun, ThresholdsView } from "../../api/schema";
import { useTables } from "../../api/tables";
import { CurvePlot } from "../../components/CurvePlot";
import { Section } from "../../components/PageHead";
import { ScoreBars } from "../../components/ScoreBars";
import { Empty, Loaded } from "../../components/states";
import { count, fixed, number, signed } from "../../lib/format";
import { barsOf, called, figures, nearestPlace, placeOf, prPoints, reached, rocPoints, stopsOf, type Reached } from "../../lib/threshold";
import { both, column } from "../../lib/where";
import { useHeldColumns } from "../report/heldColumns";
import { useUrlState } from "../urlState";
import { likelyTruth, scoreChoices, truthChoices } from "./scoreChoice";

const NONE = "(none)";
/** Bars of a histogram of scores: each is pressed, and has to be 24 pixels wide for that. */
const BARS = { narrow: 12, wide: 18 };
const NARROW = 560;

export function Threshold({ runs }: { runs: readonly string[] }): ReactNode {
  const url = useUrlState();
  const tables = useTables(runs[0] ?? "");
  const held = useHeldColumns(runs[0] ?? "", []);
  const choices = useMemo(() => scoreChoices(tables.data ?? []), [tables.data]);
  const choice = choices.find((each) => each.name === url.get("score")) ?? choices[0];
  const truths = truthChoices(tables.data?.find((each) => each.name === choice?.table), held.inputs);
  const asked = url.get("truth");
  const truth = asked === NONE ? "" : truths.includes(asked) ? asked : likelyTruth(truths);
  const found = useThresholds(choice ? { run: [...runs], table: choice.table, score: choice.score, truth, positive: url.get("class") } : null);
  if (tables.data && !choice)
    return (
      <Empty title="No scores to move a threshold over">
        A threshold needs a number per row: an output such as a probability, or evaluation.log(&quot;graded&quot;, id=row[&quot;id&quot;], metrics=&#123;&quot;score&quot;: 0.87&#125;).
      </Empty>
    );
  return (
    <div className="page">
      <div className="toolbar">
        <Pick label="score" value={choice?.name ?? ""} names={choices.map((each) => each.name)} onChange={(score) => url.set({ score, truth: null, class: null, at: null })} />
        <Pick label="true class" value={truth || NONE} names={[NONE, ...truths]} onChange={(next) => url.set({ truth: next, class: null })} />
        {found.data && found.data.classes.length > 0 && <Pick label="positive" value={found.data.positive} names={found.data.classes} onChange={(next) => url.set({ class: next, at: null })} />}
        {typeof found.data?.item === "number" && <span className="muted">number {found.data.item} of each list, counted from 0</span>}
      </div>
      <Loaded query={found} rows={8}>
        {(view) => (view.thresholds.length === 0 ? <Empty title="No row has a score">Choose another column.</Empty> : <Moved key={`${view.thresholds.length} ${view.positive} ${choice?.name}`} view={view} score={choice?.score ?? ""} truth={truth} isResults={choice?.table === "results"} />)}
      </Loaded>
    </div>
  );
}

function Pick({ label, value, names, onChange }: { label: string; value: string; names: readonly string[]; onChange: (value: string) => void }): ReactNode {
  return (
    <label className="check">
      <span className="muted">{label}</span>
      <select className="select" value={value} onChange={(event) => onChange(event.target.value)}>
        {names.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </label>
  );
}

interface MovedProps {
  view: ThresholdsView;
  score: string;
  truth: string;
  isResults: boolean;
}

function Moved({ view, score, truth, isResults }: MovedProps): ReactNode {
  const url = useUrlState();
  const { thresholds, runs } = view;
  const asked = Number(url.get("at", "0.5"));
  const stops = useMemo(() => stopsOf(thresholds, view.are_scores), [thresholds, view.are_scores]);
  const [threshold, setThreshold] = useState(() => (url.has("at") && Number.isFinite(asked) ? asked : (stops[nearestPlace(stops, 0.5)] ?? 0)));
  const rows = useMemo(() => runs.map(reached), [runs]);
  const place = placeOf(thresholds, threshold);
  const keep = (at: number): void => url.set({ at: String(at) });
  const hasClasses = view.classes.length > 0;
  const best = useMemo(() => (hasClasses ? bestPlace(rows[0]) : null), [rows, hasClasses]);
  return (
    <>
      <div className="threshold">
        <label htmlFor="threshold">Threshold</label>
        <input
          id="threshold"
          type="range"
          min={0}
          max={stops.length - 1}
          step={1}
          value={nearestPlace(stops, threshold)}
          aria-valuetext={number(threshold)}
          onChange={(event) => setThreshold(stops[Number(event.target.value)] ?? 0)}
          onPointerUp={() => keep(threshold)}
          onKeyUp={() => keep(threshold)}
          onBlur={() => keep(threshold)}
        />
        <output className="num">{number(threshold)}</output>
        {best !== null && (
          <button
            type="button"
            className="button small"
            title={`Where F1 of ${runs[0]?.name ?? ""} is highest`}
            onClick={() => {
              setThreshold(thresholds[best] ?? 0);
              keep(thresholds[best] ?? 0);
            }}
          >
            Best F1 of {runs[0]?.name}
          </button>
        )}
      </div>
      <FigureTable runs={runs} rows={rows} place={place} hasClasses={hasClasses} positive={view.positive} />
      <p className="muted">
        A row is called {hasClasses ? view.positive : "good"} where its score is at least {number(threshold)}; counts are exact. A threshold that was chosen by looking at these rows does better on
        them than on new ones.{unlike(runs)}
      </p>
      <Spreads view={view} score={score} threshold={threshold} isResults={isResults} truth={truth} />
      {hasClasses && <Curves runs={runs} rows={rows} place={place} />}
    </>
  );
}

/** Words on runs that leave rows out, or whose rows are not the same. */
function unlike(runs: readonly ThresholdRun[]): string {
  const missing = runs.filter((each) => each.missing > 0).map((each) => `${count(each.missing, "row")} of ${each.name}`);
  const others = runs.slice(1).filter((each) => each.gained === null);
  return [missing.length > 0 ? ` Without a score or a true class, and not counted: ${missing.join(", ")}.` : "", others.length > 0 ? ` ${others.map((each) => each.name).join(", ")}: not the same rows as ${runs[0]?.name ?? ""}.` : ""].join("");
}

function bestPlace(rows: Reached | undefined): number | null {
  if (!rows) return null;
  let best: number | null = null;
  let most = -1;
  for (let place = 0; place < rows.positive.length - 1; place += 1) {
    const { f1 } = figures(called(rows, place));
    if (f1 >= most) [best, most] = [place, f1]; // of thresholds that do the same the one that is a score of this run
  }
  return best;
}

const TITLES = [["precision", "Precision"], ["recall", "Recall"], ["f1", "F1"], ["accuracy", "Accuracy"], ["specificity", "Specificity"], ["mcc", "MCC"]] as const;

function FigureTable({ runs, rows, place, hasClasses, positive }: { runs: readonly ThresholdRun[]; rows: readonly Reached[]; place: number; hasClasses: boolean; positive: string }): ReactNode {
  const at = rows.map((each) => called(each, place));
  const found = at.map(figures);
  const line = (title: string, cells: ReactNode[]): ReactNode => (
    <tr key={title}>
      <th scope="row">{title}</th>
      {cells.map((cell, run) => (
        <td key={runs[run]?.id} className="num">
          {cell}
        </td>
      ))}
    </tr>
  );
  const value = (of: readonly number[], run: number): ReactNode => {
    const [own, first] = [of[run] ?? Number.NaN, of[0] ?? Number.NaN];
    if (!Number.isFinite(own)) return "–";
    const change = own - first;
    return (
      <>
        {fixed(own, 4)}
        {run > 0 && Number.isFinite(change) && <span className={`change ${change > 0 ? "good" : change < 0 ? "bad" : "muted"}`}>{signed(change)}</span>}
      </>
    );
  };
  const counts = (of: (called: { tp: number; fp: number; fn: number; tn: number }) => number): ReactNode[] =>
    at.map((each, run) => (
      <>
        {number(of(each))}
        {run > 0 && <span className="change" />}
      </>
    ));
  const shares = at.map((each) => each.tp / (each.tp + each.fn));
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label="Figures at the threshold">
      <table className="plain figures-at">
        <thead>
          <tr>
            <th>At this threshold</th>
            {runs.map((each) => (
              <th key={each.id} className="num">
                {each.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {hasClasses ? (
            <>
              {TITLES.map(([name, title]) => line(title, runs.map((_, run) => value(found.map((each) => each[name]), run))))}
              {line(`Right: ${positive}`, counts((each) => each.tp))}
              {line(`Wrongly called ${positive}`, counts((each) => each.fp))}
              {line(`Missed: ${positive}`, counts((each) => each.fn))}
              {line("Right: others", counts((each) => each.tn))}
            </>
          ) : (
            <>
              {line("Share at or above", runs.map((_, run) => value(shares, run)))}
              {line("Rows at or above", counts((each) => each.tp))}
              {line("Rows below", counts((each) => each.fn))}
            </>
          )}
          {runs.length > 1 && line("Rows gained / lost", runs.map((each, run) => (run === 0 ? <span className="muted">baseline</span> : each.gained && each.lost ? `${number(each.gained[place] ?? 0)} / ${number(each.lost[place] ?? 0)}` : "–")))}
        </tbody>
      </table>
    </div>
  );
}

function Spreads({ view, score, threshold, isResults, truth }: { view: ThresholdsView; score: string; threshold: number; isResults: boolean; truth: string }): ReactNode {
  const navigate = useNavigate();
  const hasClasses = view.classes.length > 0;
  return (
    <div className="sections">
      {view.runs.map((run) => (
        <Section key={run.id} title={`Scores of ${run.name}`}>
          <ScoreBars
            bars={barsOf(view.thresholds, run, window.innerWidth < NARROW ? BARS.narrow : BARS.wide)}
            threshold={threshold}
            label={`Scores of ${run.name}`}
            names={hasClasses ? [view.positive, "others"] : ["rows", null]}
            onPick={
              isResults
                ? (bar, isLast) => {
                    const held = column(view.item === null ? score : `${score}/${view.item}`);
                    const within = `${held} >= ${bar.low} and ${held} ${isLast ? "<=" : "<"} ${bar.high}`;
                    void navigate(`/jobs/${run.id}/rows?${new URLSearchParams({ where: truth === "" ? within : both(within, `${column(truth)} is not null`) }).toString()}`);
                  }
                : undefined
            }
          />
        </Section>
      ))}
    </div>
  );
}

function Curves({ runs, rows, place }: { runs: readonly ThresholdRun[]; rows: readonly Reached[]; place: number }): ReactNode {
  const lines = useMemo(() => rows.map((each) => ({ roc: rocPoints(each), pr: prPoints(each) })), [rows]);
  const at = rows.map((each) => called(each, place));
  const name = (run: number): string => runs[run]?.name ?? "";
  return (
    <div className="sections">
      <Section title="ROC">
        <CurvePlot
          label="ROC curves"
          x="false positive rate"
          y="true positive rate"
          diagonal
          curves={lines.map((each, run) => ({ name: name(run), points: each.roc, mark: [(at[run]?.fp ?? 0) / (rows[run]?.negatives ?? 1), (at[run]?.tp ?? 0) / (rows[run]?.positives ?? 1)] }))}
        />
      </Section>
      <Section title="Precision and recall">
        <CurvePlot
          label="Precision and recall"
          x="recall"
          y="precision"
          curves={lines.map((each, run) => {
            const own = at[run];
            const { recall, precision } = own ? figures(own) : { recall: Number.NaN, precision: Number.NaN };
            return { name: name(run), points: each.pr, mark: Number.isFinite(precision) && Number.isFinite(recall) ? [recall, precision] : undefined };
          })}
        />
      </Section>
    </div>
  );
}
