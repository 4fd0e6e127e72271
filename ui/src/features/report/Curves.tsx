/** ROC and precision-recall curves of the classes, over each other, where the evaluation logged them; which classes is chosen. */

import { useState, type ReactNode } from "react";
import { useNavigate } from "react-router";

import type { JobView, TableView } from "../../api/schema";
import { useSeriesOf, useTables } from "../../api/tables";
import { colourOf, CurvePlot } from "../../components/CurvePlot";
import { Section } from "../../components/PageHead";
import { Failure, Skeleton } from "../../components/states";
import { FigureCurves } from "./FigureCurves";
import { asNumber, isObject, type Cell } from "../../lib/cell";
import { column } from "../../lib/where";
import { prOfRoc, type Point } from "../../lib/threshold";
import { useUrlState } from "../urlState";

export const PREFIX = "roc_auc/";
/** Curves that are drawn before somebody chooses. */
const FIRST = 10;

export function Curves({ view }: { view: JobView }): ReactNode {
  const job = view.job.id;
  const tables = useTables(job).data ?? [];
  const names = tables.filter((each) => each.name.startsWith(PREFIX)).map((each) => each.name.slice(PREFIX.length));
  const url = useUrlState();
  const hidden = new Set(url.all("without"));
  const isPr = url.get("curve") === "pr";
  const setPr = (next: boolean): void => url.set({ curve: next ? "pr" : null });
  const setHidden = (next: ReadonlySet<string>): void => url.set({ without: [...next] });
  const [isMore, setMore] = useState(false);
  const figures = <FigureCurves report={view.report} hasLogged={names.length > 0} />;
  if (names.length === 0) return figures;
  const offered = isMore ? names : names.slice(0, FIRST);
  const chosen = offered.filter((each) => !hidden.has(each));
  const toggle = (name: string): void => {
    const next = new Set(hidden);
    if (!next.delete(name)) next.add(name);
    setHidden(next);
  };
  return (
    <>
    <Section
      title={isPr ? "Precision and recall" : "ROC curves"}
      beside={
        <span className="toolbar">
          <button type="button" className="button small" aria-pressed={!isPr} onClick={() => setPr(false)}>
            ROC
          </button>
          <button type="button" className="button small" aria-pressed={isPr} onClick={() => setPr(true)}>
            PR
          </button>
        </span>
      }
    >
      <div className="toolbar" role="group" aria-label="Classes drawn">
        {offered.map((each) => (
          <button key={each} type="button" className="button small" aria-pressed={!hidden.has(each)} onClick={() => toggle(each)}>
            <i style={{ width: 10, height: 10, background: colourOf(names.indexOf(each)) }} />
            {each}
          </button>
        ))}
        {names.length > FIRST && (
          <button type="button" className="button small" onClick={() => setMore(!isMore)}>
            {isMore ? `First ${FIRST}` : `All ${names.length}`}
          </button>
        )}
        <button type="button" className="button small" onClick={() => setHidden(chosen.length === 0 ? new Set() : new Set(names))}>
          {chosen.length === 0 ? "All" : "None"}
        </button>
      </div>
      <Drawn view={view} all={names} chosen={chosen} isPr={isPr} />
    </Section>
    {figures}
    </>
  );
}

function Drawn({ view, all, chosen, isPr }: { view: JobView; all: readonly string[]; chosen: readonly string[]; isPr: boolean }): ReactNode {
  const navigate = useNavigate();
  const job = view.job.id;
  const series = useSeriesOf(chosen.map((each) => ({ job, table: PREFIX + each })), ["fpr", "tpr", "threshold"]);
  const scores = scoresOf(useTables(job).data ?? []);
  const failed = series.find((each) => each.error);
  if (failed) return <Failure error={failed.error} onAgain={() => void failed.refetch()} />;
  if (series.some((each) => each.data === undefined)) return <Skeleton rows={8} />;
  const rates = series.map((each) => {
    const columns = each.data?.columns as Record<string, Cell[]> | undefined;
    const of = (name: string): number[] => (columns?.[name] ?? []).map(asNumber);
    return { fpr: of("fpr"), tpr: of("tpr"), threshold: of("threshold") };
  });
  const curves = chosen.map((name, place) => {
    const { fpr = [], tpr = [] } = rates[place] ?? {};
    const support = supportOf(view, name);
    const points = isPr ? (support ? prOfRoc(fpr, tpr, support.positives, support.negatives) : []) : fpr.map((each, at): Point => [each, tpr[at] ?? Number.NaN]);
    return { name: `class ${name}`, colour: colourOf(all.indexOf(name)), points };
  });
  return (
    <>
      <CurvePlot
        label={isPr ? "Precision and recall" : "ROC curves"}
        x={isPr ? "recall" : "false positive rate"}
        y={isPr ? "precision" : "true positive rate"}
        diagonal={!isPr}
        curves={curves}
        onPick={(curve, place) => {
          const shift = (rates[curve]?.threshold.length ?? 0) - (curves[curve]?.points.length ?? 0); // a point of no rows has no precision
          const threshold = rates[curve]?.threshold[place + shift];
          const name = chosen[curve] ?? "";
          const item = scores === undefined ? "" : `${scores}/${placeOfClass(name, all)}`;
          const isFinite = threshold !== undefined && Number.isFinite(threshold);
          if (item === "") void navigate(`/jobs/${job}/tables?${new URLSearchParams({ table: PREFIX + name, where: isFinite ? `threshold == ${threshold}` : "" }).toString()}`);
          else void navigate(`/jobs/${job}/rows?${new URLSearchParams({ where: `${column(item)} >= ${isFinite ? threshold : 1e308}`, sort: item }).toString()}`);
        }}
      />
      <p className="muted">{scores === undefined ? "Press a point to see its threshold." : "Press a point to see the rows that its threshold calls of the class, the nearest to it first."}</p>
    </>
  );
}

/** The column of lists of scores, one for each class, where exactly one is there. */
export function scoresOf(tables: readonly TableView[]): string | undefined {
  const lists = tables.find((each) => each.name === "results")?.columns.filter((each) => each.kind === "list<float>") ?? [];
  return lists.length === 1 ? lists[0]?.name : undefined;
}

/** Where the score of a class stands in a list: at the class itself where all are numbers of places, else at its place among their names. */
export function placeOfClass(name: string, all: readonly string[]): number {
  return all.every((each) => /^\d{1,3}$/.test(each)) ? Number(name) : [...all].sort().indexOf(name);
}

/** Rows of a class and of all others, as the table of classes has them; null where it does not say. */
export function supportOf(view: JobView | undefined, name: string): { positives: number; negatives: number } | null {
  const { labels } = (view?.report ?? {}) as Record<string, Cell>;
  if (!isObject(labels)) return null;
  const of = (cells: Cell | undefined): number => (isObject(cells) ? asNumber(cells.support) : Number.NaN);
  const total = Object.values(labels).map(of).filter(Number.isFinite).reduce((sum, each) => sum + each, 0);
  const positives = of(labels[name]);
  return Number.isFinite(positives) ? { positives, negatives: total - positives } : null;
}
