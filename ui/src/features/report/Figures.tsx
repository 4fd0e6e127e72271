/** The figures of a job by label and by slice: value, interval, how it was made, and what has to be known of it. */

import type { ReactNode } from "react";

import { Section } from "../../components/PageHead";
import { Whisker } from "../../components/Whisker";
import { asNumber, asText, isObject, type Cell, type Row } from "../../lib/cell";
import { fixed, interval, number } from "../../lib/format";

export function figuresOf(report: Record<string, Cell>): Row[] {
  return Array.isArray(report.figures) ? report.figures.filter(isObject) : [];
}

export function Figures({ figures }: { figures: readonly Row[] }): ReactNode {
  if (figures.length === 0) return null;
  const hasParts = figures.some((each) => asText(each.label) !== "" || asText(each.slice) !== "");
  return (
    <Section title="Figures" wide beside={<span className="muted">each with its 95 % interval</span>}>
      <div className="table-scroll" style={{ maxHeight: 420, overflow: "auto" }} tabIndex={0} role="region" aria-label="Figures">
        <table className="plain full">
          <thead>
            <tr>
              <th>Metric</th>
              {hasParts && <th>Of</th>}
              <th className="num">Value</th>
              <th className="num">95 %</th>
              <th style={{ minWidth: 100 }} aria-hidden="true" />
              <th className="num">Rows</th>
              <th>How, and what to know</th>
            </tr>
          </thead>
          <tbody>
            {figures.map((each, place) => (
              <Line key={place} figure={each} hasParts={hasParts} />
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

function Line({ figure, hasParts }: { figure: Row; hasParts: boolean }): ReactNode {
  const value = asNumber(figure.value);
  const [low = Number.NaN, high = Number.NaN] = Array.isArray(figure.ci) ? figure.ci.map(asNumber) : [];
  const hasEnds = Number.isFinite(low) && Number.isFinite(high);
  const isShare = low >= 0 && high <= 1;
  const remarks = Array.isArray(figure.remarks) ? figure.remarks.map(asText) : [];
  const missing = [["missing", figure.missing], ["not finite", figure.not_finite], ["failed", figure.failed]] as const;
  const left = missing.filter(([, many]) => asNumber(many) > 0).map(([name, many]) => `${number(asNumber(many))} ${name}`);
  return (
    <tr>
      <td title={asText(figure.meaning)}>{asText(figure.metric)}</td>
      {hasParts && <td>{[asText(figure.label), asText(figure.slice)].filter(Boolean).join(", ") || <span className="muted">all</span>}</td>}
      <td className="num">{Number.isFinite(value) ? fixed(value, 4) : "–"}</td>
      <td className="num muted">{hasEnds && interval(low, high)}</td>
      <td>{hasEnds && <Whisker low={low} high={high} value={value} from={isShare ? 0 : low} to={isShare ? 1 : high} />}</td>
      <td className="num">{number(asNumber(figure.n))}</td>
      <td className="muted">{[asText(figure.method), ...left, ...remarks].filter(Boolean).join("; ")}</td>
    </tr>
  );
}
