/** Metrics side by side: value and interval of every run, Δ to the baseline with its interval and corrected p, slice by slice. */

import type { ReactNode } from "react";

import type { ComparisonView } from "../../api/schema";
import { Whisker } from "../../components/Whisker";
import { asNumber, asText, isObject, type Cell, type Row } from "../../lib/cell";
import { fixed, fractionDigits, interval, number, pValue, signed } from "../../lib/format";

interface Line {
  name: string;
  slice: string;
  run: string;
  runName: string;
  value: Row;
  delta: Row | null;
  n: number;
}

function linesOf(view: ComparisonView): Line[] {
  return view.metrics.flatMap((metric) => {
    const each = metric as Record<string, Cell>;
    const values = isObject(each.values) ? each.values : {};
    const deltas = isObject(each.deltas) ? each.deltas : {};
    return view.runs.flatMap((run) => {
      const value = values[run.id];
      const delta = deltas[run.id];
      if (!isObject(value)) return [];
      return [{ name: asText(each.name), slice: asText(each.slice), run: run.id, runName: run.name, value, delta: isObject(delta) ? delta : null, n: asNumber(each.n) }];
    });
  });
}

function ends(cell: Cell | undefined): [number, number] | null {
  if (!Array.isArray(cell)) return null;
  const [low, high] = [asNumber(cell[0]), asNumber(cell[1])];
  return Number.isFinite(low) && Number.isFinite(high) ? [low, high] : null;
}

export function Metrics({ view }: { view: ComparisonView }): ReactNode {
  const lines = linesOf(view);
  const hasSlices = lines.some((each) => each.slice !== "");
  const deltas = lines.flatMap((each) => ends(each.delta?.ci95_corrected ?? each.delta?.ci95) ?? []);
  const most = Math.max(1e-9, ...deltas.map(Math.abs)) * 1.05;
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label="Metrics">
      <table className="plain full">
        <thead>
          <tr>
            <th>Metric</th>
            {hasSlices && <th>Slice</th>}
            <th>Run</th>
            <th className="num">Rows</th>
            <th className="num">Value</th>
            <th className="num">95 %</th>
            <th className="num">Δ</th>
            <th className="num">Δ 95 %</th>
            <th style={{ minWidth: 110 }}>
              <span className="sr-only">Δ drawn</span>
            </th>
            <th className="num">p, corrected</th>
            <th>Verdict</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((each) => (
            <MetricLine key={`${each.name} ${each.slice} ${each.run}`} line={each} hasSlices={hasSlices} most={most} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function MetricLine({ line, hasSlices, most }: { line: Line; hasSlices: boolean; most: number }): ReactNode {
  const value = asNumber(line.value.value);
  const around = ends(line.value.ci95);
  const digits = fractionDigits([value, ...(around ?? [])]);
  const change = line.delta ? asNumber(line.delta.delta) : Number.NaN;
  const changeEnds = line.delta ? ends(line.delta.ci95_corrected ?? line.delta.ci95) : null;
  const p = line.delta ? asNumber(line.delta.p_corrected ?? line.delta.p) : Number.NaN;
  const verdict = line.delta ? asText(line.delta.verdict) : "baseline";
  const title = line.delta ? [asText(line.delta.test), asText(line.delta.interval)].filter(Boolean).join("; ") : asText(line.value.method);
  return (
    <tr title={title}>
      <td>{line.name}</td>
      {hasSlices && <td>{line.slice || "all rows"}</td>}
      <td>{line.runName}</td>
      <td className="num">{Number.isFinite(line.n) ? number(line.n) : ""}</td>
      <td className="num">{Number.isFinite(value) ? fixed(value, digits) : "–"}</td>
      <td className="num muted">{around && interval(around[0], around[1], digits)}</td>
      <td className={`num ${TONES[verdict] ?? ""}`}>{Number.isFinite(change) ? signed(change, digits) : ""}</td>
      <td className="num muted">{changeEnds && interval(changeEnds[0], changeEnds[1], digits)}</td>
      <td>{changeEnds && <Whisker low={changeEnds[0]} high={changeEnds[1]} value={change} from={-most} to={most} />}</td>
      <td className="num">{Number.isFinite(p) ? pValue(p) : ""}</td>
      <td>
        {line.delta ? <span className={`badge ${TONES[verdict] ?? ""}`}>{verdict}</span> : <span className="muted">baseline</span>}
      </td>
    </tr>
  );
}

const TONES: Record<string, string> = { better: "good", worse: "bad" };

/** The verdict of the first metric over all rows, for the colour of the sentence. */
export function firstVerdict(view: ComparisonView): string {
  return linesOf(view).find((each) => each.delta !== null)?.delta?.verdict as string | undefined ?? "";
}
