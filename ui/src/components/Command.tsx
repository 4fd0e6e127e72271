/** Something to type at a terminal, with a button that copies it. */

import { useState, type ReactNode } from "react";

export function Command({ text }: { text: string }): ReactNode {
  return (
    <div className="command">
      <code>{text}</code>
      <CopyButton text={text} />
    </div>
  );
}

export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }): ReactNode {
  const [isDone, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    window.setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" className="button quiet small" onClick={() => void copy().catch(() => undefined)} aria-label={`${label}: ${text}`}>
      {isDone ? "Copied" : label}
    </button>
  );
}
