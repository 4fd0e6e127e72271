/** What may be asked of a job now: stop it, go on, try failed rows again, hide it, do it once more. */

import type { ReactNode } from "react";
import { useNavigate } from "react-router";

import { ApiError } from "../../api/client";
import { useJobVerb, type JobVerb } from "../../api/jobs";
import type { JobView } from "../../api/schema";
import { useSay } from "../../components/toasts";
import { short } from "../../lib/format";

const TITLES: [JobVerb, string, string][] = [
  ["pause", "Pause", "will stop at its next batch; resume goes on"],
  ["cancel", "Cancel", "is stopped for good; what was committed stays"],
  ["resume", "Resume", "goes on"],
  ["resume_failed", "Resume failed rows", "tries the rows again that failed"],
  ["run_again", "Run again", "runs again"],
  ["recover", "Recover", "is back"],
  ["remove", "Remove", "is removed"],
];

export function Controls({ view }: { view: JobView }): ReactNode {
  const verb = useJobVerb();
  const say = useSay();
  const navigate = useNavigate();
  const name = view.job.name || short(view.job.id);
  const run = (what: JobVerb, done: string): void =>
    verb.mutate(
      { jobs: [view.job.id], verb: what },
      {
        onSuccess: (jobs) => {
          const [made] = jobs;
          if (what === "run_again" && made) void navigate(`/jobs/${made.id}`);
          say(`${name} ${done}`, what === "remove" ? () => verb.mutate({ jobs: [view.job.id], verb: "recover" }) : undefined);
        },
        onError: (error) => say([error.message, error instanceof ApiError ? error.hint : ""].filter(Boolean).join(". ")),
      },
    );
  return TITLES.filter(([what]) => view.can.includes(what)).map(([what, title, done]) => (
    <button key={what} type="button" className={`button${what === "remove" || what === "cancel" ? " danger" : ""}`} disabled={verb.isPending} onClick={() => run(what, done)}>
      {title}
    </button>
  ));
}
