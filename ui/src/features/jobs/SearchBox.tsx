/** A search that follows what is typed, a moment later. */

import { useEffect, useRef, useState, type ReactNode } from "react";

const PAUSE_MS = 250;

export function SearchBox({ value, onChange }: { value: string; onChange: (value: string) => void }): ReactNode {
  const [typed, setTyped] = useState(value);
  const timer = useRef<number>(undefined);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  return (
    <input
      type="search"
      data-search
      className="input"
      style={{ flex: "0 1 220px" }}
      aria-label="Search evaluations"
      placeholder="Search name, model, dataset…"
      value={typed}
      onChange={(event) => {
        const next = event.target.value;
        setTyped(next);
        window.clearTimeout(timer.current);
        timer.current = window.setTimeout(() => onChange(next), PAUSE_MS);
      }}
    />
  );
}
