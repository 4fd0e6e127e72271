/** What is not the same in what the runs found and in how they ran; the rest only when asked for. */

import { useMemo, type ReactNode } from "react";

import { useDifferences, useJobs } from "../../api/comparison";
import type { ComparedRun, JobView } from "../../api/schema";
import { Section } from "../../components/PageHead";
import { Loaded } from "../../components/states";
import { asNumber, asText, isObject, kindOf, type Cell } from "../../lib/cell";
import { number, signed } from "../../lib/format";
import { isLowerBetter } from "../jobs/metrics";
import { useUrlState } from "../urlState";
import { flat } from "./flat";

type Run = Pick<ComparedRun, "id" | "name">;

interface Line {
  name: string;
  cells: (Cell | undefined)[];
  isSame: boolean;
}

export function Differences({ runs }: { runs: readonly Run[] }): ReactNode {
  const url = useUrlState();
  const isAll = url.has("all");
  const found = useDifferences(runs.map((each) => each.id));
  const views = useJobs(runs.map((each) => each.id));
  const data = views.map((each) => each.data);
  const summaries = linesOf(data.map((each) => (each ? summaryOf(each) : {})));
  const facts = linesOf(data.map((each) => (each ? flat(each.manifest as Record<string, Cell>) : {})));
  const toggle = (
    <label className="check">
      <input type="checkbox" checked={!isAll} onChange={() => url.set({ all: !isAll })} />
      only what differs
    </label>
  );
  return (
    <>
      <Section title="What they found" wide beside={toggle}>
        <Lines runs={runs} lines={summaries.filter((each) => isAll || !each.isSame)} nothing="The same summary." areNumbers />
      </Section>
      <Section title="How they ran" wide>
        <Loaded query={found} rows={3}>
          {({ items }) => <Lines runs={runs} lines={isAll ? facts : items.map((each) => lineOf(each as Record<string, Cell>, runs))} nothing="The same model, data, arguments and packages." />}
        </Loaded>
      </Section>
    </>
  );
}

function summaryOf(view: JobView): Record<string, Cell> {
  const { summary } = view.report as Record<string, Cell>;
  return isObject(summary) ? flat(summary) : {};
}

function linesOf(sides: readonly Record<string, Cell>[]): Line[] {
  const names = [...new Set(sides.flatMap((each) => Object.keys(each)))];
  return names.map((name) => {
    const cells = sides.map((each) => each[name]);
    return { name, cells, isSame: cells.every((each) => asText(each) === asText(cells[0])) };
  });
}

function lineOf(item: Record<string, Cell>, runs: readonly Run[]): Line {
  const values = isObject(item.values) ? item.values : {};
  return { name: asText(item.name), cells: runs.map((each) => values[each.id]), isSame: false };
}

function Lines({ runs, lines, nothing, areNumbers = false }: { runs: readonly Run[]; lines: readonly Line[]; nothing: string; areNumbers?: boolean }): ReactNode {
  const label = areNumbers ? "What they found" : "How they ran";
  const body = useMemo(() => lines.map((each) => <Values key={each.name} line={each} areNumbers={areNumbers} />), [lines, areNumbers]);
  if (lines.length === 0) return <p className="muted">Nothing: {nothing[0]?.toLowerCase()}{nothing.slice(1)}</p>;
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={label}>
      <table className="plain full">
        <thead>
          <tr>
            <th>What</th>
            {runs.map((each) => (
              <th key={each.id} className={areNumbers ? "num" : ""}>
                {each.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{body}</tbody>
      </table>
    </div>
  );
}

function Values({ line, areNumbers }: { line: Line; areNumbers: boolean }): ReactNode {
  const first = asNumber(line.cells[0]);
  const sign = isLowerBetter(line.name) ? -1 : 1;
  return (
    <tr>
      <th scope="row">{line.name}</th>
      {line.cells.map((each, place) => {
        const value = asNumber(each);
        const isNumber = kindOf(each) === "number" && Number.isFinite(value);
        const change = (value - first) * (place > 0 ? 1 : 0);
        return (
          <td key={place} className={areNumbers ? "num" : "mono"} style={{ overflowWrap: "anywhere" }}>
            {isNumber ? number(value) : asText(each) || "–"}
            {areNumbers && isNumber && Number.isFinite(change) && change !== 0 && <span className={`change ${change * sign > 0 ? "good" : "bad"}`}> {signed(change)}</span>}
          </td>
        );
      })}
    </tr>
  );
}
