/** Evaluations seen otherwise: the models by the datasets that they were run on, and a metric over time. */

import { useMemo, type ReactNode } from "react";
import { Link, useNavigate } from "react-router";

import { useJobs } from "../../api/jobs";
import type { JobRow } from "../../api/schema";
import { Empty, Loaded } from "../../components/states";
import { asNumber, type Cell } from "../../lib/cell";
import { age, count, date, fixed, fractionDigits, short } from "../../lib/format";
import { Chart } from "../charts/Chart";
import { useUrlState } from "../urlState";
import { isLowerBetter, metricTitle, rankMetrics } from "./metrics";

interface Point {
  job: JobRow;
  model: string;
  dataset: string;
  value: number;
}

export function Boards({ project, kind }: { project: string; kind: "board" | "time" }): ReactNode {
  const url = useUrlState();
  const jobs = useJobs({ project, search: "", where: 'status == "success"', sort: "created_at", descending: true, removed: false });
  const first = jobs.data?.pages[0];
  const metrics = useMemo(() => rankMetrics(first?.columns ?? []).map(metricTitle), [first]);
  const metric = metrics.includes(url.get("metric")) ? url.get("metric") : (metrics[0] ?? "");
  const points = useMemo(() => pointsOf(first?.items ?? [], metric), [first, metric]);
  return (
    <Loaded query={jobs} rows={8}>
      {() =>
        metrics.length === 0 ? (
          <Empty title="No metrics yet" command="swcli model run evaluation.py -d DATASET" />
        ) : (
          <>
            <div className="toolbar">
              <label className="check">
                <span className="muted">metric</span>
                <select className="select" value={metric} onChange={(event) => url.set({ metric: event.target.value })}>
                  {metrics.map((each) => (
                    <option key={each}>{each}</option>
                  ))}
                </select>
              </label>
              <span className="muted">
                {isLowerBetter(metric) ? "less is better" : "more is better"}, {count(points.length, "evaluation")}
                {first !== undefined && first.total > first.items.length && ` (the newest ${first.items.length} of ${first.total})`}
              </span>
            </div>
            {kind === "board" ? <Board points={points} metric={metric} /> : <OverTime points={points} metric={metric} />}
          </>
        )
      }
    </Loaded>
  );
}

function pointsOf(jobs: readonly JobRow[], metric: string): Point[] {
  return jobs.flatMap((job) => {
    const value = asNumber((job.summary as Record<string, Cell>)[metric]);
    const named = (text: string): string => text.replace(/@.*/, "");
    return Number.isFinite(value) ? [{ job, model: named(job.model) || job.handler, dataset: job.datasets.map(named).join(" + ") || "no dataset", value }] : [];
  });
}

/** The newest value of each model on each dataset; the best of a dataset stands out. */
function Board({ points, metric }: { points: readonly Point[]; metric: string }): ReactNode {
  const datasets = [...new Set(points.map((each) => each.dataset))];
  const newest = new Map<string, Point>();
  for (const each of points) {
    const place = `${lineOf(each)}\n${each.dataset}`;
    if (!newest.has(place)) newest.set(place, each); // the newest come first
  }
  const digits = fractionDigits(points.map((each) => each.value));
  const sign = isLowerBetter(metric) ? -1 : 1;
  const best = new Map(datasets.map((dataset) => [dataset, Math.max(...points.filter((each) => each.dataset === dataset).map((each) => each.value * sign))]));
  const lines = [...new Set(points.map(lineOf))].map((name) => ({ name, cells: datasets.map((dataset) => newest.get(`${name}\n${dataset}`)) }));
  const mean = (cells: (Point | undefined)[]): number => {
    const there = cells.flatMap((each) => (each ? [each.value * sign] : []));
    return there.length === 0 ? -Infinity : there.reduce((sum, each) => sum + each, 0) / there.length;
  };
  lines.sort((a, b) => b.cells.filter(Boolean).length - a.cells.filter(Boolean).length || mean(b.cells) - mean(a.cells));
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label="Leaderboard">
      <table className="plain">
        <thead>
          <tr>
            <th>Model</th>
            {datasets.map((each) => (
              <th key={each} className="num">
                {each}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map(({ name, cells }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {cells.map((each, place) => (
                <td key={datasets[place]} className="num">
                  {each ? (
                    <Link to={`/jobs/${each.job.id}`} title={`${each.job.name || short(each.job.id)}, ${age(each.job.created_at, Date.now() / 1000)}`}>
                      {each.value * sign === best.get(each.dataset) ? <strong>{fixed(each.value, digits)}</strong> : fixed(each.value, digits)}
                    </Link>
                  ) : (
                    <span className="muted">–</span>
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A packaged model by its name; code from a folder by the name of its run, because folders have no versions. */
function lineOf(point: Point): string {
  return point.job.model.includes("@") ? point.model : point.job.name || point.model;
}

function OverTime({ points, metric }: { points: readonly Point[]; metric: string }): ReactNode {
  const navigate = useNavigate();
  const spec = useMemo(
    () => ({
      data: {
        values: points.map((each) => ({ id: each.job.id, name: each.job.name || short(each.job.id), at: each.job.created_at * 1000, when: date(each.job.created_at), value: each.value, dataset: each.dataset })),
      },
      mark: { type: "line", point: { size: 70, filled: true }, tooltip: true },
      encoding: {
        x: { field: "at", type: "temporal", title: null },
        y: { field: "value", type: "quantitative", title: metric, scale: { zero: false } },
        color: { field: "dataset", type: "nominal" },
        tooltip: [{ field: "name" }, { field: "dataset" }, { field: "when" }, { field: "value", format: ".4f", title: metric }],
      },
    }),
    [points, metric],
  );
  return (
    <>
      <Chart spec={spec} label={`${metric} over time, by dataset`} height={380} onPick={(datum) => {
        if (typeof datum.id === "string") void navigate(`/jobs/${datum.id}`);
      }} />
      <p className="muted">Press a point to open its evaluation.</p>
    </>
  );
}
