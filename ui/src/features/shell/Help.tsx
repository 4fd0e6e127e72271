/** What the keys do. */

import type { ReactNode } from "react";

import { Modal } from "../../components/Modal";

const KEYS: [string[], string][] = [
  [["Ctrl", "K"], "command palette: go anywhere by typing"],
  [["?"], "this help"],
  [["/"], "to the search or filter of the page"],
  [["g", "e"], "go to the evaluations"],
  [["g", "d"], "go to the datasets"],
  [["g", "m"], "go to the models"],
  [["g", "r"], "go to the runtimes"],
  [["t"], "light, dark, or as the machine says"],
  [["↑", "↓"], "move in a table; Page Up, Page Down, Home and End too"],
  [["Enter"], "open the row"],
  [["Space"], "choose the row for a comparison"],
  [["j", "k"], "the next and the previous row, where one is open"],
  [["Esc"], "close what is open"],
];

export function Help({ onClose }: { onClose: () => void }): ReactNode {
  return (
    <Modal title="Keys" onClose={onClose}>
      <table className="plain full">
        <thead className="sr-only">
          <tr>
            <th>Keys</th>
            <th>What they do</th>
          </tr>
        </thead>
        <tbody>
          {KEYS.map(([keys, what]) => (
            <tr key={what}>
              <td className="nowrap">
                {keys.map((each) => (
                  <span key={each}>
                    <kbd>{each}</kbd>{" "}
                  </span>
                ))}
              </td>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="muted" style={{ marginTop: 12 }}>
        Filters are written as in <code>swcli job results --where</code>: <code>output != input/label and input/text contains &quot;x&quot;</code>.
        Everything that is chosen stands in the address, so that a link shows the same view.
      </p>
    </Modal>
  );
}
