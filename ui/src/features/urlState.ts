/** State of a view, kept in its address: a link shows the same view, and the browser's way back works. */

import { useCallback } from "react";
import { useSearchParams } from "react-router";

export type UrlChanges = Record<string, string | readonly string[] | boolean | null>;

export interface UrlState {
  get: (name: string, otherwise?: string) => string;
  all: (name: string) => string[];
  has: (name: string) => boolean;
  /** Change some words; an empty one goes. `isStep` lets the browser's Back undo it. */
  set: (changes: UrlChanges, isStep?: boolean) => void;
  text: string;
}

/** The words of the address as it stands, also where the page has not been drawn with them yet. */
export function wordsNow(): URLSearchParams {
  return new URLSearchParams(window.location.search);
}

export function useUrlState(): UrlState {
  const [words, setWords] = useSearchParams();
  const set = useCallback(
    (changes: UrlChanges, isStep = false) =>
      setWords(
        () => {
          const next = wordsNow(); // what was rendered last may be older than two quick keys
          for (const [name, value] of Object.entries(changes)) {
            next.delete(name);
            if (typeof value === "boolean") {
              if (value) next.set(name, "1");
            } else if (typeof value === "string") {
              if (value !== "") next.set(name, value);
            } else if (value !== null) value.forEach((each) => next.append(name, each));
          }
          return next;
        },
        { replace: !isStep, preventScrollReset: true },
      ),
    [setWords],
  );
  return {
    get: (name, otherwise = "") => words.get(name) ?? otherwise,
    all: (name) => words.getAll(name),
    has: (name) => words.has(name),
    set,
    text: words.toString(),
  };
}
