/** The newest version of every dataset, model or runtime of a project. */

import type { ReactNode } from "react";
import { Link, useNavigate } from "react-router";

import type { VersionView } from "../../api/schema";
import { useBundles, type VersionKind } from "../../api/versions";
import { Empty, Loaded } from "../../components/states";
import { Table, type Column } from "../../components/Table";
import { age, bytes, count, date, number, short } from "../../lib/format";
import { useUrlState } from "../urlState";
import { versionPage } from "./addresses";

const COMMANDS: Record<VersionKind, string> = {
  dataset: "swcli dataset build --csv FILE --name NAME",
  model: "swcli model build FOLDER",
  runtime: "swcli runtime build",
};

export function BundleList({ kind, project }: { kind: VersionKind; project: string }): ReactNode {
  const navigate = useNavigate();
  const url = useUrlState();
  const bundles = useBundles(kind, project);
  const sort = { column: url.get("sort", "created_at"), descending: !url.has("asc") };
  const search = url.get("search");
  return (
    <Loaded query={bundles} rows={8}>
      {(all) => {
        if (all.length === 0) return <Empty title={`No ${kind}s yet`} command={COMMANDS[kind]} />;
        const found = all.filter((each) => each.name.toLowerCase().includes(search.toLowerCase()));
        const sorted = [...found].sort((a, b) => order(a, b, sort.column) * (sort.descending ? -1 : 1));
        return (
          <>
            <div className="toolbar">
              <input type="search" data-search className="input" style={{ flex: "0 1 300px" }} aria-label={`Search ${kind}s`} placeholder={`Search ${kind}s`} value={search} onChange={(event) => url.set({ search: event.target.value })} />
              <span className="muted num" role="status">
                {count(found.length, kind)}
              </span>
            </div>
            {sorted.length === 0 ? (
              <Empty title="Nothing fits" />
            ) : (
              <Table
                label={`${kind}s`}
                columns={columnsOf(kind)}
                rowCount={sorted.length}
                rowAt={(index) => sorted[index]}
                sort={sort}
                onSort={(next) => url.set({ sort: next.column, asc: !next.descending })}
                onOpen={(row) => void navigate(versionPage(kind, row.project, row.name, row.version))}
              />
            )}
          </>
        );
      }}
    </Loaded>
  );
}

function order(a: VersionView, b: VersionView, column: string): number {
  if (column === "name") return a.name.localeCompare(b.name);
  if (column === "rows") return (a.row_count ?? 0) - (b.row_count ?? 0);
  if (column === "size") return a.size_bytes - b.size_bytes;
  return a.created_at - b.created_at;
}

function columnsOf(kind: VersionKind): Column<VersionView>[] {
  const now = Date.now() / 1000;
  const rows: Column<VersionView>[] =
    kind === "dataset" ? [{ id: "rows", title: "Rows", width: 110, align: "right", sortable: true, cell: (each) => <span className="num">{number(each.row_count ?? 0)}</span> }] : [];
  const python: Column<VersionView>[] = kind === "runtime" ? [{ id: "python", title: "Python", width: 90, cell: (each) => <span>{each.python}</span> }] : [];
  return [
    { id: "name", title: "Name", width: 220, pinned: true, sortable: true, cell: (each) => <Link className="clip" tabIndex={-1} to={versionPage(kind, each.project, each.name, each.version)}>{each.name}</Link> },
    { id: "version", title: "Newest version", width: 140, cell: (each) => <span className="mono">{short(each.version)}</span> },
    ...rows,
    ...python,
    { id: "size", title: "Size", width: 100, align: "right", sortable: true, cell: (each) => <span className="num">{bytes(each.size_bytes)}</span> },
    { id: "created_at", title: "Made", width: 130, sortable: true, cell: (each) => <span className="muted nowrap" title={date(each.created_at)}>{age(each.created_at, now)}</span> },
    { id: "tags", title: "Tags", width: 180, cell: (each) => <span className="chips">{each.tags.map((tag) => <span key={tag} className="badge">{tag}</span>)}</span> },
    { id: "message", title: "Message", width: 240, cell: (each) => <span className="clip" title={each.message}>{each.message}</span> },
  ];
}
