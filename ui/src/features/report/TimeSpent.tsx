/** Where the time went, step by step. */

import type { ReactNode } from "react";

import type { StepView } from "../../api/schema";
import { Section } from "../../components/PageHead";
import { asNumber, asText, isObject, type Cell } from "../../lib/cell";
import { bytes, duration, fixed, number, percent } from "../../lib/format";

const COLOURS: Record<string, string> = {
  start: "#8f9bb0",
  load: "#7c6bd6",
  read: "#2f8f9d",
  decode: "#4aa3d8",
  predict: "#2f6bd8",
  run: "#2f6bd8",
  wait: "#d8a12f",
  write: "#c2683a",
  other: "#b7bcc6",
};

export function TimeSpent({ steps }: { steps: readonly StepView[] }): ReactNode {
  const known = steps.flatMap((each) => (each.usage ? [{ step: each, usage: each.usage as Record<string, Cell> }] : []));
  if (known.length === 0) return null;
  return (
    <Section title="Where the time went">
      {known.map(({ step, usage }) => (
        <Step key={step.name} name={step.name} usage={usage} />
      ))}
    </Section>
  );
}

function Step({ name, usage }: { name: string; usage: Record<string, Cell> }): ReactNode {
  const shares = Object.entries(isObject(usage.shares) ? usage.shares : {})
    .map(([each, share]) => ({ name: each, share: asNumber(share) }))
    .filter((each) => each.share > 0.0005)
    .sort((a, b) => b.share - a.share);
  const seconds = isObject(usage.seconds) ? usage.seconds : {};
  const rate = asNumber(usage.rows_per_second);
  const peak = asNumber(usage.peak_bytes);
  const cores = asNumber(usage.cores);
  return (
    <div style={{ display: "grid", gap: 6 }}>
      <div className="section-head">
        <span className="mono">{name}</span>
        <span className="muted num">
          {duration(asNumber(usage.elapsed_s))}
          {Number.isFinite(rate) && ` · ${number(Math.round(rate))} rows/s`}
          {Number.isFinite(cores) && ` · ${fixed(cores, 2)} cores`}
          {Number.isFinite(peak) && ` · ${bytes(peak)}`}
        </span>
      </div>
      <div className="stack" role="img" aria-label={shares.map((each) => `${each.name} ${percent(each.share)}`).join(", ")}>
        {shares.map((each) => (
          <span key={each.name} style={{ width: `${each.share * 100}%`, background: COLOURS[each.name] ?? "#8f9bb0" }} title={`${each.name}: ${percent(each.share)}`} />
        ))}
      </div>
      <ul className="legend">
        {shares.map((each) => (
          <li key={each.name} className="num">
            <i style={{ background: COLOURS[each.name] ?? "#8f9bb0" }} />
            {each.name} {percent(each.share, 0)} <span title="in all tasks">({duration(asNumber(seconds[each.name]) || 0)})</span>
          </li>
        ))}
      </ul>
      {asText(usage.note) !== "" && <p className="muted">{asText(usage.note)}</p>}
    </div>
  );
}
