/** How an evaluation ran: the graph of its steps, tasks with attempts, logs, and what happened when. */

import type { ReactNode } from "react";

import { useJobEvents, useLogs, useTasks } from "../../api/jobs";
import { Section } from "../../components/PageHead";
import { Loaded } from "../../components/states";
import { isLive } from "../../components/Status";
import { StepGraph } from "../../features/run/StepGraph";
import { TaskLog } from "../../features/run/TaskLog";
import { Tasks } from "../../features/run/Tasks";
import { useUrlState } from "../../features/urlState";
import { asText, type Cell } from "../../lib/cell";
import { date } from "../../lib/format";
import { useOpenedJob } from "./JobPage";

export function Component(): ReactNode {
  const { job, steps } = useOpenedJob();
  const url = useUrlState();
  const tasks = useTasks(job.id);
  const logs = useLogs(job.id);
  const step = url.get("step");
  const chosen = url.has("task") ? { step: url.get("logstep"), task: Number(url.get("task")), attempt: Number(url.get("attempt", "0")) } : null;
  const workers = (logs.data ?? []).filter((each) => each.step === "");
  return (
    <div className="page" style={{ gap: 24 }}>
      <Section title="Steps">
        <StepGraph steps={steps} chosen={step} onChoose={(next) => url.set({ step: next })} />
      </Section>
      <Section
        title={step === "" ? "Tasks and attempts" : `Tasks and attempts of ${step}`}
        beside={workers.map((each) => (
          <button key={each.task} type="button" className="button small" onClick={() => url.set({ logstep: "", task: String(each.task), attempt: "0" })}>
            Log of worker {each.task}
          </button>
        ))}
      >
        <Loaded query={tasks} rows={4}>
          {(all) => (
            <Tasks
              tasks={all.filter((each) => step === "" || each.step === step)}
              logs={logs.data ?? []}
              onLog={(log) => url.set({ logstep: log.step, task: String(log.task), attempt: String(log.attempt) })}
            />
          )}
        </Loaded>
      </Section>
      {chosen && (
        <Section
          title={chosen.step === "" ? `Log of worker ${chosen.task}` : `Log of ${chosen.step}, task ${chosen.task}, attempt ${chosen.attempt}`}
          beside={
            <button type="button" className="button small" onClick={() => url.set({ logstep: null, task: null, attempt: null })}>
              Close
            </button>
          }
        >
          <TaskLog key={JSON.stringify(chosen)} job={job.id} log={chosen} isRunning={isLive(job.status)} />
        </Section>
      )}
      <Events job={job.id} />
    </div>
  );
}

function Events({ job }: { job: string }): ReactNode {
  const events = useJobEvents(job);
  if (events.data?.length === 0) return null;
  return (
    <Section title="What happened">
      <Loaded query={events} rows={3}>
        {(all) => (
          <div className="table-scroll" tabIndex={0} role="region" aria-label="Events">
            <table className="plain full">
              <thead>
                <tr>
                  <th>When</th>
                  <th>What</th>
                  <th>More</th>
                </tr>
              </thead>
              <tbody>
                {all.map((each) => (
                  <tr key={each.id}>
                    <td className="nowrap num muted" style={{ textAlign: "left" }}>
                      {date(each.time)}
                    </td>
                    <td className="nowrap">{each.kind}</td>
                    <td className="mono muted">{Object.entries(each.detail as Record<string, Cell>).map(([name, cell]) => `${name}: ${asText(cell)}`).join(", ")}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Loaded>
    </Section>
  );
}
