/** Tags and the note of an evaluation, changed in place. */

import { useState, type ReactNode } from "react";

import { useJobWords } from "../../api/jobs";
import type { JobRow } from "../../api/schema";
import { Popover } from "../../components/Popover";
import { useSay } from "../../components/toasts";

export function Words({ job }: { job: JobRow }): ReactNode {
  const words = useJobWords();
  const say = useSay();
  const [tag, setTag] = useState("");
  const [note, setNote] = useState(job.note);
  const onError = (error: Error): void => say(error.message);
  return (
    <Popover label="Tags and note">
      {(close) => (
        <div style={{ display: "grid", gap: 10, minWidth: 260 }}>
          <div className="chips">
            {job.tags.map((each) => (
              <span key={each} className="badge">
                {each}
                <button type="button" className="link-button" aria-label={`Take the tag ${each} away`} onClick={() => words.mutate({ job: job.id, add: [], remove: [each] }, { onError })}>
                  ✕
                </button>
              </span>
            ))}
          </div>
          <form
            className="toolbar"
            style={{ flexWrap: "nowrap" }}
            onSubmit={(event) => {
              event.preventDefault();
              if (tag.trim() !== "") words.mutate({ job: job.id, add: [tag.trim()], remove: [] }, { onError, onSuccess: () => setTag("") });
            }}
          >
            <input className="input" aria-label="New tag" placeholder="New tag" value={tag} onChange={(event) => setTag(event.target.value)} />
            <button type="submit" className="button">
              Add
            </button>
          </form>
          <textarea className="input" aria-label="Note" placeholder="What is to be known about this evaluation" value={note} onChange={(event) => setNote(event.target.value)} />
          <button
            type="button"
            className="button"
            disabled={note === job.note}
            onClick={() =>
              words.mutate(
                { job: job.id, note },
                {
                  onError,
                  onSuccess: () => {
                    say("The note is kept");
                    close();
                  },
                },
              )
            }
          >
            Keep the note
          </button>
        </div>
      )}
    </Popover>
  );
}
