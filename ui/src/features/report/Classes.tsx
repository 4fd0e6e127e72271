/** The table of classes: precision, recall and the rest, sorted as one likes. */

import type { ReactNode } from "react";

import { Section } from "../../components/PageHead";
import { asNumber, isObject, type Row } from "../../lib/cell";
import { fixed, fractionDigits, number } from "../../lib/format";
import { useUrlState } from "../urlState";

const FIRST = ["precision", "recall", "f1-score", "auc", "support"];

export function Classes({ labels }: { labels: Row; job: string }): ReactNode {
  const url = useUrlState();
  const sort = { column: url.get("classes", "class"), descending: url.has("falling") };
  const rows = Object.entries(labels).flatMap(([label, cells]) => (isObject(cells) ? [{ label, cells }] : []));
  const names = [...new Set(rows.flatMap((each) => Object.keys(each.cells)))].filter((each) => each !== "id");
  names.sort((a, b) => place(a) - place(b));
  const formats = new Map(names.map((name) => [name, fractionDigits(rows.map((each) => asNumber(each.cells[name])))]));
  if (sort.column !== "class") rows.sort((a, b) => asNumber(a.cells[sort.column]) - asNumber(b.cells[sort.column]));
  if (sort.descending) rows.reverse();
  const head = (column: string, title: string): ReactNode => (
    <button type="button" className="link-button" onClick={() => url.set({ classes: column, falling: sort.column === column ? !sort.descending : column !== "class" })}>
      {title}
      {sort.column === column && (sort.descending ? " ↓" : " ↑")}
    </button>
  );
  return (
    <Section title="Classes">
      <div className="table-scroll" tabIndex={0} role="region" aria-label="Classes">
        <table className="plain full">
          <thead>
            <tr>
              <th>{head("class", "class")}</th>
              {names.map((name) => (
                <th key={name} className="num">
                  {head(name, name.replace(/-(true|false) (positive|negative)$/, ""))}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ label, cells }) => (
              <tr key={label}>
                <th scope="row">{label}</th>
                {names.map((name) => {
                  const value = asNumber(cells[name]);
                  const digits = formats.get(name) ?? 4;
                  return (
                    <td key={name} className="num">
                      {Number.isFinite(value) ? (digits === 0 ? number(value) : fixed(value, digits)) : "–"}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

function place(name: string): number {
  const at = FIRST.indexOf(name);
  return at < 0 ? FIRST.length : at;
}
