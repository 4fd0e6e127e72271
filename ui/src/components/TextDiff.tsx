/** What makes one text of another: what went is struck, what came is marked. */

import { useMemo, type ReactNode } from "react";

import { diffWords } from "../lib/textDiff";

export function TextDiff({ before, after }: { before: string; after: string }): ReactNode {
  const pieces = useMemo(() => diffWords(before, after), [before, after]);
  return (
    <div className="text-box diff">
      {pieces.map((each, place) => {
        if (each.kind === "added") return <ins key={place}>{each.text}</ins>;
        if (each.kind === "removed") return <del key={place}>{each.text}</del>;
        return <span key={place}>{each.text}</span>;
      })}
    </div>
  );
}
