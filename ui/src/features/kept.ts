/** What this browser remembers: the theme, widths of columns, views that were given a name. */

import { useCallback, useState } from "react";

const PREFIX = "starwhale-console:";

export function readKept<T>(name: string, otherwise: T): T {
  try {
    const text = window.localStorage.getItem(PREFIX + name);
    return text === null ? otherwise : (JSON.parse(text) as T);
  } catch {
    return otherwise; // a browser may refuse to keep things
  }
}

function writeKept(name: string, value: unknown): void {
  try {
    window.localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // it is forgotten with the page then
  }
}

export function useKept<T>(name: string, otherwise: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => readKept(name, otherwise));
  const keep = useCallback(
    (next: T) => {
      setValue(next);
      writeKept(name, next);
    },
    [name],
  );
  return [value, keep];
}
