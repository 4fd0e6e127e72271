/** The log of one attempt: its end at first, what was before by going up, what comes while it runs, and a search through all of it. */

import { useCallback, useEffect, useRef, useState, type ReactNode } from "react";

import { readLog, type LogPlace } from "../../api/jobs";
import type { LogLines } from "../../api/schema";
import { bytes, count } from "../../lib/format";
import { grown, type Kept, type Where } from "../../lib/logWindow";

/** Lines that are kept; of millions the ones around what is looked at. */
const MOST = 5000;
const AGAIN_MS = 1000;
const NEAR_TOP = 60;
const NOTHING: Kept = { lines: [], start: 0, end: 0, size: 0 };

interface Props {
  job: string;
  log: LogPlace;
  isRunning: boolean;
}

export function TaskLog({ job, log, isRunning }: Props): ReactNode {
  const [ends, setEnds] = useState(NOTHING);
  const [search, setSearch] = useState("");
  const [asked, setAsked] = useState("");
  const [failed, setFailed] = useState("");
  const [follow, setFollow] = useState(true);
  const [isBusy, setBusy] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const { step, task, attempt } = log;
  const { lines } = ends;

  const take = useCallback((found: LogLines, where: Where) => setEnds((old) => grown(old, found, where, MOST)), []);

  useEffect(() => {
    const stop = new AbortController();
    setBusy(true);
    setFailed("");
    readLog(job, { step, task, attempt }, asked === "" ? {} : { search: asked, from: 0 }, stop.signal)
      .then((found) => take(found, "all"))
      .catch((error: unknown) => {
        if (!stop.signal.aborted) setFailed(error instanceof Error ? error.message : String(error));
      })
      .finally(() => setBusy(false));
    return () => stop.abort();
  }, [job, step, task, attempt, asked, take]);

  useEffect(() => {
    if (!isRunning || !follow || asked !== "") return undefined; // who reads further up is not moved on
    const stop = new AbortController();
    const timer = window.setInterval(() => {
      readLog(job, { step, task, attempt }, { from: ends.end }, stop.signal)
        .then((found) => {
          if (found.lines.length > 0) take(found, "behind");
        })
        .catch(() => undefined); // the banner says when the server is gone
    }, AGAIN_MS);
    return () => {
      window.clearInterval(timer);
      stop.abort();
    };
  }, [isRunning, follow, asked, job, step, task, attempt, ends.end, take]);

  useEffect(() => {
    const at = box.current;
    if (at && follow && asked === "") at.scrollTop = at.scrollHeight;
  }, [lines, follow, asked]);

  const more = (part: "before" | "behind"): void => {
    if (isBusy) return;
    setBusy(true);
    const height = box.current?.scrollHeight ?? 0;
    readLog(job, { step, task, attempt }, part === "before" ? { before: ends.start } : { from: ends.end, search: asked })
      .then((found) => {
        take(found, part);
        if (part === "before") requestAnimationFrame(() => box.current?.scrollBy(0, box.current.scrollHeight - height));
      })
      .catch((error: unknown) => setFailed(error instanceof Error ? error.message : String(error)))
      .finally(() => setBusy(false));
  };

  return (
    <div className="page" style={{ gap: 8 }}>
      <div className="toolbar">
        <form
          className="grow"
          role="search"
          onSubmit={(event) => {
            event.preventDefault();
            setAsked(search.trim());
          }}
        >
          <input className="input" type="search" aria-label="Search the log" placeholder="Search the whole log" value={search} onChange={(event) => {
            setSearch(event.target.value);
            if (event.target.value === "") setAsked("");
          }} />
        </form>
        <button type="button" className="button small" aria-pressed={follow} onClick={() => setFollow(!follow)}>
          Follow
        </button>
        <span className="muted num">
          {asked === "" ? bytes(ends.size) : `${count(lines.length, "line")} with “${asked}”`}
        </span>
      </div>
      {failed && <p className="bad" role="alert">{failed}</p>}
      <div
        className="log"
        ref={box}
        tabIndex={0}
        role="log"
        aria-label={`Log of ${step}, task ${task}, attempt ${attempt}`}
        aria-live="off"
        onScroll={(event) => {
          const at = event.currentTarget;
          const isAtEnd = at.scrollHeight - at.scrollTop - at.clientHeight < 20;
          const isCut = ends.end < ends.size && asked === "";
          if (!isAtEnd) setFollow(false);
          else if (!isCut) setFollow(true);
          else if (!follow) more("behind"); // what follows reads on by itself, also where more comes than it reads at a time
          if (at.scrollTop < NEAR_TOP && ends.start > 0 && asked === "") more("before");
        }}
      >
        {lines.map((each) => (
          <div key={each.offset}>{marked(each.text, asked)}</div>
        ))}
        {lines.length === 0 && !isBusy && <div className="muted">{asked === "" ? "nothing was printed" : "no line holds this"}</div>}
      </div>
      {asked !== "" && ends.end < ends.size && (
        <button type="button" className="button small" disabled={isBusy} onClick={() => more("behind")}>
          Search on from {bytes(ends.end)} of {bytes(ends.size)}
        </button>
      )}
    </div>
  );
}

function marked(text: string, asked: string): ReactNode {
  if (asked === "") return text || " ";
  const at = text.toLowerCase().indexOf(asked.toLowerCase());
  if (at < 0) return text;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + asked.length)}</mark>
      {text.slice(at + asked.length)}
    </>
  );
}
