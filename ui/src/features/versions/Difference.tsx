/** What makes a version of another one of the same name. */

import type { ReactNode } from "react";

import { useDiff, useVersions, type VersionKind, type VersionPlace } from "../../api/versions";
import { Empty, Loaded } from "../../components/states";
import { asNumber, asText, isObject, plain, type Cell, type Row } from "../../lib/cell";
import { count, number, short } from "../../lib/format";
import { Tree } from "../../media/Tree";
import { useUrlState } from "../urlState";

export function Difference({ kind, place }: { kind: VersionKind; place: VersionPlace }): ReactNode {
  const url = useUrlState();
  const versions = useVersions(kind, place.project, place.name);
  const others = (versions.data ?? []).filter((each) => each.version !== place.version);
  const base = url.get("base", others[0]?.version ?? "");
  const diff = useDiff(kind, place, base);
  if (versions.data && others.length === 0) return <Empty title="There is no other version to compare with" />;
  return (
    <div className="page">
      <label className="check">
        <span className="muted">compared with</span>
        <select className="select" value={base} onChange={(event) => url.set({ base: event.target.value })}>
          {others.map((each) => (
            <option key={each.version} value={each.version}>
              {[short(each.version), ...each.tags].join(" · ")}
            </option>
          ))}
        </select>
      </label>
      <Loaded query={diff}>{(found) => <Shown kind={kind} found={found as Row} />}</Loaded>
    </div>
  );
}

function Shown({ kind, found }: { kind: VersionKind; found: Row }): ReactNode {
  if (found.same === true || found.is_same === true) return <Empty title="Nothing differs" />;
  if (kind === "dataset") return <DatasetDifference found={found} />;
  if (kind === "model") return <ModelDifference found={found} />;
  return <RuntimeDifference found={found} />;
}

/** Packages that one lock has and the other has not, or in another version; then Python, CUDA and the rest. */
function RuntimeDifference({ found }: { found: Row }): ReactNode {
  const packages = isObject(found.packages) ? found.packages : {};
  const of = (cell: Cell | undefined): [string, Cell][] => (isObject(cell) ? Object.entries(cell) : []);
  const sides = (cell: Cell): [string, string] => (Array.isArray(cell) ? [asText(cell[0]), asText(cell[1])] : isObject(cell) ? [asText(cell.old ?? cell.base), asText(cell.new ?? cell.compare)] : ["", asText(cell)]);
  const lines: [string, string, string][] = [
    ...of(packages.removed).map(([name, cell]): [string, string, string] => [name, asText(cell), ""]),
    ...of(packages.added).map(([name, cell]): [string, string, string] => [name, "", asText(cell)]),
    ...of(packages.changed).map(([name, cell]): [string, string, string] => [name, ...sides(cell)]),
    ...of(found.facts).map(([name, cell]): [string, string, string] => [name, ...sides(cell)]),
  ];
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label="What differs">
      <table className="plain full">
        <thead>
          <tr>
            <th>What</th>
            <th>Was</th>
            <th>Is</th>
          </tr>
        </thead>
        <tbody>
          {lines.map(([name, was, is]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td className="diff mono">{was && <del>{was}</del>}</td>
              <td className="diff mono">{is && <ins>{is}</ins>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function DatasetDifference({ found }: { found: Row }): ReactNode {
  const rows = isObject(found.rows) ? found.rows : {};
  const columns = isObject(found.columns) ? found.columns : {};
  const details = Array.isArray(found.details) ? found.details.filter(isObject) : [];
  const many = (name: string): number => (isObject(rows[name]) ? asNumber(rows[name].count) : 0);
  return (
    <>
      <div className="cards">
        {[["added", "good"], ["removed", "bad"], ["changed", "warn"], ["unchanged", ""]].map(([name = "", tone = ""]) => (
          <div key={name} className="card">
            <span className="name">rows {name}</span>
            <span className={`value ${tone}`}>{number(many(name))}</span>
          </div>
        ))}
      </div>
      {["added", "removed", "changed"].map((name) => {
        const one = rows[name];
        const keys = isObject(one) && Array.isArray(one.keys) ? one.keys.map(asText) : [];
        return keys.length > 0 ? (
          <p key={name}>
            <span className="muted">{name}:</span> <span className="mono">{keys.join(", ")}</span>
            {keys.length < many(name) && " …"}
          </p>
        ) : null;
      })}
      <p className="muted">
        Columns: {["added", "removed"].map((name) => `${name} ${namesIn(columns[name]) || "none"}`).join("; ")}
      </p>
      {details.length > 0 && (
        <div className="table-scroll" tabIndex={0} role="region" aria-label="Changed cells">
          <table className="plain full">
            <thead>
              <tr>
                <th>Row</th>
                <th>Column</th>
                <th>Was</th>
                <th>Is</th>
              </tr>
            </thead>
            <tbody>
              {details.flatMap((row) =>
                Object.entries(isObject(row.cells) ? row.cells : {}).map(([name, cell]) => (
                  <tr key={`${asText(row.key)} ${name}`}>
                    <td className="mono">{asText(row.key)}</td>
                    <td>{name}</td>
                    <td className="diff"><del>{isObject(cell) ? asText(cell.old as Cell) : ""}</del></td>
                    <td className="diff"><ins>{isObject(cell) ? asText(cell.new as Cell) : ""}</ins></td>
                  </tr>
                )),
              )}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

/** Names in a list, or of the fields of an object. */
function namesIn(cell: Cell | undefined): string {
  return (Array.isArray(cell) ? cell.map(asText) : isObject(cell) ? Object.keys(cell) : []).join(", ");
}

function ModelDifference({ found }: { found: Row }): ReactNode {
  const files = (Array.isArray(found.files) ? found.files.filter(isObject) : []).filter((each) => asText(each.state) !== "unchanged");
  const details = Array.isArray(found.details) ? found.details.filter(isObject) : [];
  return (
    <>
      <p className="muted">{count(files.length, "path")} differ.</p>
      <div className="table-scroll" tabIndex={0} role="region" aria-label="Files that differ">
        <table className="plain full">
          <tbody>
            {files.map((each) => (
              <tr key={asText(each.path)}>
                <th scope="row" className="mono">{asText(each.path)}</th>
                <td>
                  <span className={`badge ${({ added: "good", deleted: "bad" })[asText(each.state)] ?? "warn"}`}>{asText(each.state)}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {details.map((each) => (
        <details key={asText(each.path)} open={details.length < 4}>
          <summary className="mono">{asText(each.path)}</summary>
          <Lines detail={each} />
        </details>
      ))}
    </>
  );
}

function Lines({ detail }: { detail: Row }): ReactNode {
  const lines = Array.isArray(detail.lines) ? detail.lines.map(asText) : asText(detail.diff ?? detail.text).split("\n");
  if (lines.every((each) => each === "")) return <Tree value={plain(detail)} />;
  return (
    <pre className="text-box mono diff">
      {lines.map((line, place) => {
        const text = line.endsWith("\n") ? line : `${line}\n`;
        if (line.startsWith("+")) return <ins key={place}>{text}</ins>;
        return line.startsWith("-") ? <del key={place}>{text}</del> : <span key={place}>{text}</span>;
      })}
    </pre>
  );
}
