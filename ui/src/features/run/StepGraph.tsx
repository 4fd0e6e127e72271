/** The graph of a job's steps: what needs what, and how far each is. */

import type { ReactNode } from "react";

import type { StepView } from "../../api/schema";
import { Status } from "../../components/Status";
import { count, duration, number } from "../../lib/format";
import { layoutGraph } from "../../lib/graph";

const WIDTH = 260;
const HEIGHT = 100;
const ACROSS = 60;
const DOWN = 20;

interface Props {
  steps: readonly StepView[];
  chosen: string;
  onChoose: (step: string) => void;
}

export function StepGraph({ steps, chosen, onChoose }: Props): ReactNode {
  const layout = layoutGraph(steps);
  const left = (layer: number): number => layer * (WIDTH + ACROSS);
  const top = (place: number): number => place * (HEIGHT + DOWN);
  const placed = new Map(layout.nodes.map((each) => [each.name, each]));
  const width = Math.max(WIDTH, layout.layers * (WIDTH + ACROSS) - ACROSS);
  const height = Math.max(HEIGHT, layout.tallest * (HEIGHT + DOWN) - DOWN);
  return (
    <div className="graph-scroll" role="group" aria-label="Steps" tabIndex={0}>
      <div className="graph" style={{ width, height }}>
        <svg width={width} height={height} aria-hidden="true">
          {layout.edges.map((edge) => {
            const [from, to] = [placed.get(edge.from), placed.get(edge.to)];
            if (!from || !to) return null;
            const [x1, y1, x2, y2] = [left(from.layer) + WIDTH, top(from.place) + HEIGHT / 2, left(to.layer), top(to.place) + HEIGHT / 2];
            return <path key={`${edge.from} ${edge.to}`} d={`M ${x1} ${y1} C ${x1 + 30} ${y1}, ${x2 - 30} ${y2}, ${x2} ${y2}`} />;
          })}
        </svg>
        {steps.map((step) => {
          const at = placed.get(step.name);
          if (!at) return null;
          return <Box key={step.name} step={step} left={left(at.layer)} top={top(at.place)} isChosen={step.name === chosen} onChoose={() => onChoose(step.name === chosen ? "" : step.name)} />;
        })}
      </div>
    </div>
  );
}

function Box({ step, left, top, isChosen, onChoose }: { step: StepView; left: number; top: number; isChosen: boolean; onChoose: () => void }): ReactNode {
  const hasRows = step.total !== null && step.total > 0;
  const took = step.started_at !== null && step.finished_at !== null ? duration(step.finished_at - step.started_at) : "";
  return (
    <button type="button" className="step" aria-pressed={isChosen} style={{ left, top, width: WIDTH, height: HEIGHT }} onClick={onChoose} title={`${step.name}; needs ${step.needs.join(", ") || "nothing"}`}>
      <strong className="clip">{step.name}</strong>
      <span className="toolbar" style={{ gap: 6 }}>
        <Status status={step.status} />
        <span className="muted num">{took}</span>
      </span>
      <span className="muted num clip">
        {step.kind} · {count(step.tasks, "task")}
        {hasRows && ` · ${number(step.done ?? 0)} / ${number(step.total ?? 0)} rows`}
        {(step.failed ?? 0) > 0 && ` · ${number(step.failed ?? 0)} failed`}
      </span>
      {hasRows && (
        <span className="progress" aria-hidden="true">
          <i style={{ width: `${((step.done ?? 0) / (step.total ?? 1)) * 100}%` }} />
        </span>
      )}
    </button>
  );
}
