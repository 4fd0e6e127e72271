/** Which columns a table shows, and in which order. */

import { useState, type ReactNode } from "react";

import { Popover } from "../../components/Popover";

interface Props {
  all: readonly string[];
  shown: readonly string[];
  onChange: (shown: string[] | null) => void;
  /** Names without what all have in common, as `summary/`. */
  title?: (name: string) => string;
  /** Columns that stay where they are when the others scroll. */
  pinned?: readonly string[];
  onPin?: (pinned: string[]) => void;
}

export function ColumnChooser({ all, shown, onChange, title = (name) => name, pinned = [], onPin }: Props): ReactNode {
  const [typed, setTyped] = useState("");
  const listed = [...shown, ...all.filter((each) => !shown.includes(each))].filter((each) => title(each).toLowerCase().includes(typed.toLowerCase()));
  const move = (name: string, by: number): void => {
    const next = [...shown];
    const at = next.indexOf(name);
    const other = next[at + by];
    if (other === undefined) return;
    next[at + by] = name;
    next[at] = other;
    onChange(next);
  };
  return (
    <Popover label="Columns">
      <div className="toolbar" style={{ marginBottom: 8 }}>
        <input className="input grow" aria-label="Find a column" placeholder="Find a column" value={typed} onChange={(event) => setTyped(event.target.value)} />
        <button type="button" className="button small" onClick={() => onChange(null)}>
          Reset
        </button>
      </div>
      {listed.map((name) => {
        const isShown = shown.includes(name);
        return (
          <div key={name} className="toolbar" style={{ flexWrap: "nowrap", justifyContent: "space-between", minHeight: 30 }}>
            <label className="check" style={{ minWidth: 0 }}>
              <input type="checkbox" checked={isShown} onChange={() => onChange(isShown ? shown.filter((each) => each !== name) : [...shown, name])} />
              <span className="clip" title={title(name)}>
                {title(name)}
              </span>
            </label>
            {isShown && typed === "" && (
              <span className="nowrap">
                {onPin && (
                  <button type="button" className="button quiet small" aria-label={`Pin ${title(name)}`} aria-pressed={pinned.includes(name)} onClick={() => onPin(pinned.includes(name) ? pinned.filter((each) => each !== name) : [...pinned, name])}>
                    pin
                  </button>
                )}
                <button type="button" className="button quiet small" aria-label={`${title(name)} further left`} onClick={() => move(name, -1)}>
                  ↑
                </button>
                <button type="button" className="button quiet small" aria-label={`${title(name)} further right`} onClick={() => move(name, 1)}>
                  ↓
                </button>
              </span>
            )}
          </div>
        );
      })}
    </Popover>
  );
}
