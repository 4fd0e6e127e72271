/** What a page shows while it waits, where there is nothing, and when something is wrong. */

import type { ReactNode } from "react";

import { Command } from "./Command";

export function Skeleton({ rows = 6 }: { rows?: number }): ReactNode {
  return (
    <div role="status" aria-label="Loading" style={{ display: "grid", gap: 12 }}>
      {Array.from({ length: rows }, (_, place) => (
        <span key={place} className="skeleton" style={{ height: 16, width: `${92 - ((place * 17) % 40)}%` }} />
      ))}
    </div>
  );
}

export function Empty({ title, children, command }: { title: string; children?: ReactNode; command?: string }): ReactNode {
  return (
    <div className="state">
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {command && <Command text={command} />}
    </div>
  );
}

/** An error with its hint; `onAgain` asks once more. */
export function Failure({ error, onAgain }: { error: unknown; onAgain?: () => void }): ReactNode {
  const said = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Error && "hint" in error ? String(error.hint) : "";
  return (
    <div className="state" role="alert">
      <h2>This could not be shown</h2>
      <p>{said}</p>
      {hint && <p className="muted">{hint}</p>}
      {onAgain && (
        <button type="button" className="button" onClick={onAgain}>
          Try again
        </button>
      )}
    </div>
  );
}

interface Asked<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
  /** Whether the data answers an earlier question, until this one is answered. */
  isPlaceholderData?: boolean;
}

/** What was asked for, or a skeleton, or what is wrong. Data that is there stays when asking again fails; that of an earlier question is dimmed. */
export function Loaded<T>({ query, rows, children }: { query: Asked<T>; rows?: number; children: (data: T) => ReactNode }): ReactNode {
  if (query.data !== undefined) return <Stale isStale={query.isPlaceholderData === true}>{children(query.data)}</Stale>;
  if (query.error) return <Failure error={query.error} onAgain={() => void query.refetch()} />;
  return <Skeleton rows={rows ?? 6} />;
}

/** What answers an earlier question is dimmed and cannot be pressed, so that nobody takes it for the answer to this one. */
export function Stale({ isStale, children }: { isStale: boolean; children: ReactNode }): ReactNode {
  return (
    <div className="stale" aria-busy={isStale}>
      {children}
    </div>
  );
}
