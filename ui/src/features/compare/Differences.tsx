/** What is not the same in how the runs were run; what is the same is left out. */

import type { ReactNode } from "react";

import { useDifferences } from "../../api/comparison";
import type { ComparedRun } from "../../api/schema";
import { Section } from "../../components/PageHead";
import { Loaded } from "../../components/states";
import { asText, isObject, type Cell } from "../../lib/cell";

export function Differences({ runs }: { runs: readonly Pick<ComparedRun, "id" | "name">[] }): ReactNode {
  const found = useDifferences(runs.map((each) => each.id));
  return (
    <Section title="What differs in how they ran" wide>
      <Loaded query={found} rows={3}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="muted">Nothing: same model, data, arguments and packages.</p>
          ) : (
            <div className="table-scroll" tabIndex={0} role="region" aria-label="Differences">
              <table className="plain full">
                <thead>
                  <tr>
                    <th>What</th>
                    {runs.map((each) => (
                      <th key={each.id}>{each.name}</th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {items.map((item) => {
                    const each = item as Record<string, Cell>;
                    const values = isObject(each.values) ? each.values : {};
                    return (
                      <tr key={asText(each.name)}>
                        <th scope="row">{asText(each.name)}</th>
                        {runs.map((run) => (
                          <td key={run.id} className="mono" style={{ overflowWrap: "anywhere" }}>
                            {asText(values[run.id]) || "–"}
                          </td>
                        ))}
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            </div>
          )
        }
      </Loaded>
    </Section>
  );
}
