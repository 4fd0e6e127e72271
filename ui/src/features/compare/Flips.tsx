/** The rows that a run gained and lost against the baseline, one by one, with what went in and what each run gave. */

import type { ReactNode } from "react";

import { useFlips, type ComparisonWanted } from "../../api/comparison";
import { useJob } from "../../api/jobs";
import type { ComparisonView, Flip } from "../../api/schema";
import { useRowAt } from "../../api/tables";
import { Section } from "../../components/PageHead";
import { Empty, Loaded } from "../../components/states";
import { TextDiff } from "../../components/TextDiff";
import { asText, isObject, kindOf, typeOf, type Cell, type Row } from "../../lib/cell";
import { count, number } from "../../lib/format";
import { shapesOf, type Shape } from "../../lib/shapes";
import { Viewer } from "../../media/Viewer";
import { isInner } from "../rows/columns";
import { useDatasetInput } from "../rows/datasetInput";
import { useUrlState } from "../urlState";
import { usePlaces } from "./places";

/** Fields of a row that are shown at once. */
const SHOWN = 3;

type Direction = "gained" | "lost" | "both";

export function Flips({ view, wanted }: { view: ComparisonView; wanted: ComparisonWanted }): ReactNode {
  const url = useUrlState();
  const others = view.runs.filter((each) => each.id !== view.baseline);
  const candidate = others.find((each) => each.id === url.get("candidate")) ?? others[0];
  const direction = (["gained", "lost"] as const).find((each) => each === url.get("direction")) ?? "both";
  const isDiff = url.get("diff") !== "no";
  const flips = useFlips({ ...wanted, candidate: candidate?.id ?? "", direction }, candidate !== undefined);
  const counts = candidate ? view.flips[candidate.id] : undefined;
  const placeOf = usePlaces(view, candidate?.id ?? "");
  const items = flips.data?.pages.flatMap((each) => each.items) ?? [];
  const baseline = view.runs.find((each) => each.id === view.baseline);
  if (!candidate || !baseline) return null;
  const pick = (each: Direction, text: string): ReactNode => (
    <button type="button" className="button small" aria-pressed={direction === each} onClick={() => url.set({ direction: each === "both" ? null : each })}>
      {text}
    </button>
  );
  return (
    <Section title="Rows that changed" wide>
      <div className="toolbar">
        {others.length > 1 && (
          <select className="select" aria-label="Run" value={candidate.id} onChange={(event) => url.set({ candidate: event.target.value })}>
            {others.map((each) => (
              <option key={each.id} value={each.id}>
                {each.name}
              </option>
            ))}
          </select>
        )}
        {pick("both", `All ${number((counts?.gained ?? 0) + (counts?.lost ?? 0))}`)}
        {pick("gained", `Gained ${number(counts?.gained ?? 0)}`)}
        {pick("lost", `Lost ${number(counts?.lost ?? 0)}`)}
        <button type="button" className="button small" aria-pressed={isDiff} onClick={() => url.set({ diff: isDiff ? "no" : null })}>
          Text diff
        </button>
      </div>
      <Loaded query={flips} rows={8}>
        {() =>
          items.length === 0 ? (
            <Empty title="No row changed">On every row, both runs have the same score.</Empty>
          ) : (
            <>
              {items.map((each) => (
                <FlipCard key={String(each.id)} flip={each} baseline={baseline} candidate={candidate} isDiff={isDiff} placeOf={placeOf} />
              ))}
              {flips.hasNextPage && (
                <button type="button" className="button" style={{ justifySelf: "center" }} disabled={flips.isFetchingNextPage} onClick={() => void flips.fetchNextPage()}>
                  Show more of {count(flips.data?.pages[0]?.total ?? 0, "row")}
                </button>
              )}
            </>
          )
        }
      </Loaded>
    </Section>
  );
}

interface Run {
  id: string;
  name: string;
}

interface CardProps {
  flip: Flip;
  baseline: Run;
  candidate: Run;
  isDiff: boolean;
  /** Place of the row by its logged id, where ids count the rows. */
  placeOf: (id: string | number) => number | null;
}

function FlipCard({ flip, baseline, candidate, isDiff, placeOf }: CardProps): ReactNode {
  const [old, oldIsByPlace] = useFlipRow(flip, baseline.id, placeOf);
  const [after, isByPlace] = useFlipRow(flip, candidate.id, placeOf);
  const before = old;
  const uris = useJob(candidate.id).data?.dataset_uris ?? [];
  const whole = Object.keys(after).length > 0 ? after : before;
  const inputs = { ...side(whole, "input"), ...useDatasetInput(asText(whole.id), uris, whole) };
  const [given, gives] = [fields(before, "output"), fields(after, "output")];
  const names = [...new Set([...Object.keys(given), ...Object.keys(gives)])];
  const shapes = [
    ...shapesOf(inputs, "input"),
    ...shapesOf(side(before, "output"), baseline.name),
    ...shapesOf(side(after, "output"), candidate.name === baseline.name ? `${candidate.name} (2)` : candidate.name),
  ];
  const diffed = isDiff ? names.filter((name) => areTexts(given[name], gives[name])) : [];
  const score = (run: Run): string => (typeof flip.scores[run.id] === "number" ? number(flip.scores[run.id] ?? 0) : "–");
  return (
    <article className="flip" data-flip={String(flip.id)}>
      <header className="flip-head">
        <span className={`badge ${flip.change > 0 ? "good" : "bad"}`}>{flip.change > 0 ? "gained" : "lost"}</span>
        <strong className="mono" style={{ overflowWrap: "anywhere" }}>
          {String(flip.id)}
        </strong>
        <span className="num muted">
          {score(baseline)} → {score(candidate)} {Math.abs(flip.change) === 1 ? "" : ` (${flip.change > 0 ? "+" : ""}${number(flip.change)})`}
        </span>
      </header>
      <div className="flip-body">
        <section>
          <h3>Input</h3>
          <Cells cells={inputs} shapes={shapes} />
          {(isByPlace || oldIsByPlace) && <p className="muted">Found by its place: the ids that were logged count the rows.</p>}
        </section>
        {(diffed.length === 0 || diffed.length < names.length) &&
          [
            { run: baseline, row: before },
            { run: candidate, row: after },
          ].map(({ run, row }) => (
            <section key={run.id}>
              <h3>{run.name}</h3>
              <Cells cells={without({ ...fields(row, "output"), ...side(row, "error") }, diffed)} shapes={shapesOf(side(row, "output"))} />
            </section>
          ))}
        {diffed.length > 0 && (
          <section>
            <h3>
              <del>{baseline.name}</del> → <ins>{candidate.name}</ins>
            </h3>
            {diffed.map((name) => (
              <div key={name} className="field">
                {names.length > 1 && <span className="name">{name}</span>}
                <TextDiff before={asText(given[name])} after={asText(gives[name])} />
              </div>
            ))}
          </section>
        )}
      </div>
    </article>
  );
}

/** The row of one run: as the comparison found it, else by its place. Beside it, whether it is by place. */
function useFlipRow(flip: Flip, run: string, placeOf: (id: string | number) => number | null): [Row, boolean] {
  const own = (flip.rows[run] ?? {}) as Row;
  const isThere = Object.keys(own).some((name) => /^(input|output|error)/.test(name));
  const byPlace = useRowAt(run, "results", isThere ? null : placeOf(flip.id)).data;
  return isThere || !byPlace ? [own, false] : [byPlace, true];
}

function Cells({ cells, shapes }: { cells: Record<string, Cell>; shapes: readonly Shape[] }): ReactNode {
  const entries = Object.entries(cells).filter(([, cell]) => kindOf(cell) !== "missing");
  const isMedia = (cell: Cell): boolean => ["image", "audio", "video"].includes(kindOf(cell));
  entries.sort(([, a], [, b]) => Number(isMedia(b)) - Number(isMedia(a)));
  if (entries.length === 0) return <p className="muted">nothing was kept</p>;
  const field = ([name, cell]: [string, Cell]): ReactNode => (
    <div key={name} className="field">
      <span className="name">{name}</span>
      <Viewer cell={cell} name={name} shapes={shapes} />
    </div>
  );
  const hidden = entries.slice(SHOWN);
  return (
    <>
      {entries.slice(0, SHOWN).map(field)}
      {hidden.length > 0 && (
        <details>
          <summary className="muted">{count(hidden.length, "more field")}</summary>
          {hidden.map(field)}
        </details>
      )}
    </>
  );
}

function side(row: Row, start: string): Record<string, Cell> {
  return Object.fromEntries(Object.entries(row).filter(([name]) => name.startsWith(start) && !isInner(name)));
}

/** Columns of a side; the fields of an object stand for themselves, as columns do. */
function fields(row: Row, start: string): Record<string, Cell> {
  return Object.fromEntries(Object.entries(side(row, start)).flatMap(([name, cell]) => (isObject(cell) && typeOf(cell) === "" ? Object.entries(cell).map(([field, each]): [string, Cell] => [`${name}/${field}`, each]) : [[name, cell] as [string, Cell]])));
}

function without(cells: Record<string, Cell>, names: readonly string[]): Record<string, Cell> {
  return Object.fromEntries(Object.entries(cells).filter(([name]) => !names.includes(name)));
}

function areTexts(before: Cell | undefined, after: Cell | undefined): boolean {
  return kindOf(before) === "text" && kindOf(after) === "text" && asText(before).length + asText(after).length > 40;
}
