/** What can be done with the evaluations that are chosen. */

import type { ReactNode } from "react";
import { Link } from "react-router";

import { useJobVerb, type JobVerb } from "../../api/jobs";
import type { JobRow } from "../../api/schema";
import { useSay } from "../../components/toasts";
import { count, short } from "../../lib/format";

interface Props {
  jobs: readonly JobRow[];
  chosen: readonly string[];
  areRemoved: boolean;
  onChange: (chosen: string[]) => void;
}

export function SelectionBar({ jobs, chosen, areRemoved, onChange }: Props): ReactNode {
  const verb = useJobVerb();
  const say = useSay();
  if (chosen.length === 0) return null;
  const names = chosen.map((id) => jobs.find((each) => each.id === id)?.name || short(id));
  const act = (what: JobVerb, done: string, back: JobVerb): void => {
    const ids = [...chosen];
    verb.mutate(
      { jobs: ids, verb: what },
      {
        onSuccess: () => {
          onChange([]);
          say(`${count(ids.length, "evaluation")} ${done}`, () => verb.mutate({ jobs: ids, verb: back }));
        },
        onError: (error) => say(error.message),
      },
    );
  };
  return (
    <div className="select-bar" role="region" aria-label="Chosen evaluations">
      <span>
        <strong>{chosen.length}</strong> chosen: <span className="muted">{names.slice(0, 4).join(", ")}{names.length > 4 ? "…" : ""}</span>
      </span>
      {chosen.length > 1 ? (
        <Link className="button primary" to={`/compare?${new URLSearchParams(chosen.map((each) => ["run", each])).toString()}`}>
          Compare
        </Link>
      ) : (
        <span className="muted">choose another to compare; the first is the baseline</span>
      )}
      {areRemoved ? (
        <button type="button" className="button" disabled={verb.isPending} onClick={() => act("recover", "recovered", "remove")}>
          Recover
        </button>
      ) : (
        <button type="button" className="button danger" disabled={verb.isPending} onClick={() => act("remove", "removed", "recover")}>
          Remove
        </button>
      )}
      <button type="button" className="button quiet" onClick={() => onChange([])}>
        Clear
      </button>
    </div>
  );
}
