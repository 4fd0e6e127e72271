/** The confusion matrix; a cell that is pressed shows its rows. */

import { type CSSProperties, type ReactNode } from "react";
import { useNavigate } from "react-router";

import { useTables } from "../../api/tables";
import { Section } from "../../components/PageHead";
import { count, number, percent } from "../../lib/format";
import { column, labelLiteral } from "../../lib/where";
import { useKept } from "../kept";
import { type Matrix } from "./confusions";
import { useHeldColumns } from "./heldColumns";

interface Props {
  job: string;
  matrix: Matrix;
  title?: string;
}

export function Confusion({ job, matrix, title = "Confusion matrix" }: Props): ReactNode {
  const navigate = useNavigate();
  const tables = useTables(job).data;
  const results = tables?.find((each) => each.name === "results");
  const held = useHeldColumns(job, results?.columns.map((each) => each.name) ?? []);
  const [counts, setCounts] = useKept("confusion:counts", true);
  const names = matrix.labels;
  const canPick = held.truth !== "" && held.predicted !== "";
  const pick = (truth: string, predicted: string): void => {
    const where = `${column(held.truth)} == ${labelLiteral(truth, held.kindOf(held.truth))} and ${column(held.predicted)} == ${labelLiteral(predicted, held.kindOf(held.predicted))}`;
    void navigate(`/jobs/${job}/rows?${new URLSearchParams({ where }).toString()}`);
  };
  const toggle = (
    <button type="button" className="button small" aria-pressed={counts} onClick={() => setCounts(!counts)}>
      Counts
    </button>
  );
  return (
    <Section title={title} beside={toggle}>
      <div className="table-scroll" tabIndex={0} role="region" aria-label={title}>
        <table className="matrix">
          <thead>
            <tr>
              <th style={{ maxWidth: "none" }}>true ↓ predicted →</th>
              {names.map((each) => (
                <th key={each} scope="col" title={each}>
                  {each}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {names.map((truth, at) => (
              <tr key={truth}>
                <th scope="row" title={truth}>
                  {truth}
                </th>
                {names.map((predicted, to) => {
                  const share = matrix.shares[at]?.[to] ?? Number.NaN;
                  const many = matrix.counts?.[at]?.[to] ?? Number.NaN;
                  return (
                    <td key={predicted}>
                      <Box share={share} many={many} counts={counts} truth={truth} predicted={predicted} onPick={canPick ? () => pick(truth, predicted) : undefined} />
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {results && (
        <p className="toolbar muted">
          Rows of a cell: true class in
          <Column label="Column of the true class" value={held.truth} names={held.inputs} onChange={held.setTruth} />
          predicted in
          <Column label="Column of the predicted class" value={held.predicted} names={held.outputs} onChange={held.setPredicted} />
        </p>
      )}
    </Section>
  );
}

interface BoxProps {
  share: number;
  many: number;
  counts: boolean;
  truth: string;
  predicted: string;
  onPick: (() => void) | undefined;
}

function Box({ share, many, counts, truth, predicted, onPick }: BoxProps): ReactNode {
  const shown = Number.isFinite(share) ? share : 0;
  const text = counts && Number.isFinite(many) ? number(many) : shown === 0 ? "0" : percent(shown, shown < 0.1 ? 1 : 0);
  const said = `true ${truth}, predicted ${predicted}: ${Number.isFinite(many) ? count(many, "row") : percent(shown)}`;
  return (
    <button
      type="button"
      className={shown > 0.55 ? "deep" : ""}
      style={{ "--share": shown === 0 ? 0.03 : 0.1 + 0.85 * shown } as CSSProperties}
      title={onPick ? `${said}. Press to see them.` : said}
      aria-label={said}
      disabled={!onPick}
      onClick={onPick}
    >
      {text}
    </button>
  );
}

function Column({ label, value, names, onChange }: { label: string; value: string; names: readonly string[]; onChange: (name: string) => void }): ReactNode {
  return (
    <select className="select" aria-label={label} value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="">choose a column</option>
      {names.map((each) => (
        <option key={each}>{each}</option>
      ))}
    </select>
  );
}
