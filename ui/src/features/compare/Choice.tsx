/** By what runs are compared: which scores, in which direction, by which slices. */

import type { ReactNode } from "react";

import { Popover } from "../../components/Popover";
import { useUrlState } from "../urlState";

interface Props {
  metrics: readonly string[];
  chosen: readonly string[];
  columns: readonly string[];
}

export function Choice({ metrics, chosen, columns }: Props): ReactNode {
  const url = useUrlState();
  const lower = url.all("lower");
  const by = url.all("by");
  const toggled = (all: readonly string[], one: string): string[] => (all.includes(one) ? all.filter((each) => each !== one) : [...all, one]);
  return (
    <>
      {metrics.length > 1 && (
        <Popover label="Scores">
          {metrics.map((each) => (
            <div key={each} className="toolbar" style={{ flexWrap: "nowrap", justifyContent: "space-between", minHeight: 30 }}>
              <label className="check" style={{ minWidth: 0 }}>
                <input type="checkbox" checked={chosen.includes(each)} onChange={() => url.set({ metric: toggled(chosen, each) })} />
                <span className="clip">{each}</span>
              </label>
              <label className="check muted nowrap">
                <input type="checkbox" checked={lower.includes(each)} onChange={() => url.set({ lower: toggled(lower, each) })} />
                less is better
              </label>
            </div>
          ))}
        </Popover>
      )}
      {columns.length > 0 && (
        <Popover label="Slices">
          {columns.map((each) => (
            <label key={each} className="check" style={{ display: "flex", minHeight: 30 }}>
              <input type="checkbox" checked={by.includes(each)} onChange={() => url.set({ by: toggled(by, each) })} />
              <span className="clip">{each}</span>
            </label>
          ))}
        </Popover>
      )}
    </>
  );
}
