/** Code and other text with numbered lines; shown, never run. */

import type { ReactNode } from "react";

import { tokens } from "../lib/code";

/** Characters beyond which colours cost more than they help. */
const MOST_COLOURED = 60_000;

export function Code({ text, label }: { text: string; label: string }): ReactNode {
  return (
    <pre className="text-box mono code" tabIndex={0} aria-label={label} role="region">
      {text.length > MOST_COLOURED
        ? text
        : tokens(text).map((each, place) =>
            each.kind === "plain" ? each.text : <span key={place} className={`tok-${each.kind}`}>{each.text}</span>,
          )}
    </pre>
  );
}
