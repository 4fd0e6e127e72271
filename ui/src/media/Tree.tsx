/** A value as a tree that opens and closes. */

import type { ReactNode } from "react";

import { rounded } from "../lib/cell";
import { count } from "../lib/format";

export function Tree({ value, name, depth = 0 }: { value: unknown; name?: string; depth?: number }): ReactNode {
  const label = name === undefined ? null : <span className="tok-keyword">{name}: </span>;
  if (typeof value !== "object" || value === null || isShortList(value)) {
    const isText = typeof value === "string";
    return (
      <div className="json">
        {label}
        <span className={isText ? "tok-text" : "tok-number"}>{JSON.stringify(value, rounded)}</span>
      </div>
    );
  }
  const pairs: [string, unknown][] = Array.isArray(value) ? value.map((each: unknown, place) => [String(place), each]) : Object.entries(value);
  return (
    <details className="json" open={depth < 2}>
      <summary>
        {label}
        <span className="muted">{Array.isArray(value) ? `[${count(value.length, "item")}]` : `{${count(pairs.length, "field")}}`}</span>
      </summary>
      <ul>
        {pairs.map(([each, inner]) => (
          <li key={each}>
            <Tree value={inner} name={each} depth={depth + 1} />
          </li>
        ))}
      </ul>
    </details>
  );
}

function isShortList(value: object): boolean {
  return Array.isArray(value) && value.every((each) => typeof each !== "object" || each === null) && value.length <= 400 && JSON.stringify(value, rounded).length < 400;
}
