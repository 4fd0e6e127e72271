/** A filter in the language of `--where`; it is asked for at Enter, or when one goes elsewhere. */

import { useState, type ReactNode } from "react";

interface Props {
  value: string;
  onChange: (value: string) => void;
  placeholder: string;
  label?: string;
  error?: string;
}

export function FilterBox({ value, onChange, placeholder, label = "Filter", error = "" }: Props): ReactNode {
  const [typed, setTyped] = useState(value);
  const [before, setBefore] = useState(value);
  if (value !== before) {
    setBefore(value);
    setTyped(value);
  }
  const ask = (): void => {
    if (typed.trim() !== value) onChange(typed.trim());
  };
  return (
    <form
      className="grow"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        ask();
      }}
    >
      <input
        data-search
        className="input code"
        aria-label={label}
        aria-invalid={error !== ""}
        placeholder={placeholder}
        value={typed}
        spellCheck={false}
        autoCapitalize="off"
        onChange={(event) => setTyped(event.target.value)}
        onBlur={ask}
      />
      {error && (
        <p className="bad" role="alert">
          {error}
        </p>
      )}
    </form>
  );
}
