/** Where a job, step or task stands: a word with a colour, never the colour alone. */

import type { ReactNode } from "react";

const TONES: Record<string, string> = {
  success: "good",
  failed: "bad",
  running: "info live",
  queued: "info",
  created: "info",
  paused: "warn",
  interrupted: "warn",
  cancelling: "warn live",
  canceled: "",
};

export function Status({ status }: { status: string }): ReactNode {
  return (
    <span className={`badge ${TONES[status] ?? ""}`}>
      <span className="dot" aria-hidden="true" />
      {status}
    </span>
  );
}

/** Whether something may still change by itself. */
export function isLive(status: string): boolean {
  return ["created", "queued", "running", "cancelling"].includes(status);
}
