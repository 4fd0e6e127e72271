/** Tasks with their attempts; a log is opened from here. */

import type { ReactNode } from "react";

import type { LogView, TaskView } from "../../api/schema";
import { Status } from "../../components/Status";
import { asText, type Cell } from "../../lib/cell";
import { bytes, date, duration } from "../../lib/format";

interface Props {
  tasks: readonly TaskView[];
  logs: readonly LogView[];
  onLog: (log: { step: string; task: number; attempt: number }) => void;
}

export function Tasks({ tasks, logs, onLog }: Props): ReactNode {
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label="Tasks and attempts">
      <table className="plain full">
        <thead>
          <tr>
            <th>Step</th>
            <th className="num">Task</th>
            <th className="num">Attempt</th>
            <th>Status</th>
            <th>Executor</th>
            <th>Started</th>
            <th className="num">Took</th>
            <th>Error</th>
            <th>Log</th>
          </tr>
        </thead>
        <tbody>
          {tasks.flatMap((task) =>
            task.attempts.map((each) => {
              const log = logs.find((one) => one.step === task.step && one.task === task.index && one.attempt === each.number);
              const error = each.error as Record<string, Cell> | null;
              return (
                <tr key={`${task.id} ${each.number}`}>
                  <td>{task.step}</td>
                  <td className="num">{task.index}</td>
                  <td className="num">{each.number}</td>
                  <td>
                    <Status status={each.status} />
                  </td>
                  <td>{each.executor}</td>
                  <td className="nowrap muted">{date(each.started_at)}</td>
                  <td className="num">{each.finished_at === null ? "" : duration(each.finished_at - each.started_at)}</td>
                  <td className="bad">{error ? asText(error.message) : ""}</td>
                  <td>
                    {log ? (
                      <button type="button" className="link-button nowrap" onClick={() => onLog({ step: task.step, task: task.index, attempt: each.number })}>
                        {bytes(log.size_bytes)}
                      </button>
                    ) : (
                      <span className="muted">nothing printed</span>
                    )}
                  </td>
                </tr>
              );
            }),
          )}
        </tbody>
      </table>
    </div>
  );
}
