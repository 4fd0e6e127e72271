/** The command palette: go anywhere and do anything by typing. */

import { useMemo, useState, type KeyboardEvent, type ReactNode } from "react";
import { useNavigate } from "react-router";

import { useRecentJobs } from "../../api/jobs";
import { useBundles } from "../../api/versions";
import { Modal } from "../../components/Modal";
import { fuzzySort } from "../../lib/fuzzy";
import { short } from "../../lib/format";
import { versionPage } from "../versions/addresses";

export interface Action {
  title: string;
  kind: string;
  run: () => void;
}

const SHOWN = 40;

export function Palette({ project, actions, onClose }: { project: string; actions: readonly Action[]; onClose: () => void }): ReactNode {
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const asked = [useRecentJobs(project), useBundles("dataset", project), useBundles("model", project), useBundles("runtime", project)] as const;
  const [jobs, datasets, models, runtimes] = [asked[0].data, asked[1].data, asked[2].data, asked[3].data];
  const isOnItsWay = asked.some((each) => each.isPending);
  const all = useMemo(() => {
    const go = (title: string, kind: string, to: string): Action => ({ title, kind, run: () => void navigate(to) });
    return [
      ...actions,
      ...(jobs ?? []).map((each) => go(`${each.name || short(each.id)} · ${each.datasets.join(", ")}`, "evaluation", `/jobs/${each.id}`)),
      ...(datasets ?? []).map((each) => go(each.name, "dataset", versionPage("dataset", each.project, each.name, "latest"))),
      ...(models ?? []).map((each) => go(each.name, "model", versionPage("model", each.project, each.name, "latest"))),
      ...(runtimes ?? []).map((each) => go(each.name, "runtime", versionPage("runtime", each.project, each.name, "latest"))),
    ];
  }, [actions, jobs, datasets, models, runtimes, navigate]);
  const found = fuzzySort(typed, all, (each) => `${each.title} ${each.kind}`).slice(0, SHOWN);
  const run = (action: Action | undefined): void => {
    if (!action) return;
    onClose();
    action.run();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown") setAt(Math.min(found.length - 1, at + 1));
    else if (event.key === "ArrowUp") setAt(Math.max(0, at - 1));
    else if (event.key === "Enter") run(found[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Modal title="Command palette" onClose={onClose} className="palette" isBare>
      <input
        className="input"
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found[at] ? `palette-${at}` : undefined}
        aria-label="Go to, or do"
        placeholder="Go to an evaluation, a dataset, a page…"
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      <ul id="palette-list" className="palette-list" role="listbox" aria-label="Found">
        {found.map((each, place) => (
          <li
            key={`${each.kind} ${each.title} ${place}`}
            id={`palette-${place}`}
            role="option"
            aria-selected={place === at}
            ref={place === at ? (line) => line?.scrollIntoView({ block: "nearest" }) : undefined}
            onPointerMove={() => setAt(place)}
            onClick={() => run(each)}
          >
            <span className="clip">{each.title}</span>
            <span className="muted nowrap">{each.kind}</span>
          </li>
        ))}
        {found.length === 0 && <li role="option" aria-selected="false" aria-disabled="true" className="muted">{isOnItsWay ? "Looking…" : `Nothing fits “${typed}”`}</li>}
      </ul>
    </Modal>
  );
}
