/** Views of the list that were given a name; a view is nothing but its address. */

import { useState, type ReactNode } from "react";
import { useNavigate } from "react-router";

import { Popover } from "../../components/Popover";
import { useKept } from "../kept";
import { useUrlState } from "../urlState";

interface View {
  name: string;
  words: string;
}

export function ViewMenu(): ReactNode {
  const url = useUrlState();
  const navigate = useNavigate();
  const [views, setViews] = useKept<View[]>("views:jobs", []);
  const [name, setName] = useState("");
  const go = (words: string): void => void navigate({ search: words });
  return (
    <Popover label="Views">
      {(close) => (
        <div style={{ display: "grid", gap: 6, minWidth: 240 }}>
          {[{ name: "All evaluations", words: "" }, { name: "Running", words: "where=status+%3D%3D+%22running%22" }, { name: "With failed rows", words: "where=failed+%3E+0" }, { name: "Removed", words: "removed=1" }].map((each) => (
            <button
              key={each.name}
              type="button"
              className="button quiet"
              onClick={() => {
                go(each.words);
                close();
              }}
            >
              {each.name}
            </button>
          ))}
          {views.map((each) => (
            <span key={each.name} className="toolbar" style={{ flexWrap: "nowrap" }}>
              <button
                type="button"
                className="button quiet grow"
                onClick={() => {
                  go(each.words);
                  close();
                }}
              >
                {each.name}
              </button>
              <button type="button" className="button quiet small" aria-label={`Forget ${each.name}`} onClick={() => setViews(views.filter((other) => other.name !== each.name))}>
                ✕
              </button>
            </span>
          ))}
          <form
            className="toolbar"
            style={{ flexWrap: "nowrap" }}
            onSubmit={(event) => {
              event.preventDefault();
              if (name.trim() === "") return;
              setViews([...views.filter((each) => each.name !== name.trim()), { name: name.trim(), words: url.text }]);
              setName("");
            }}
          >
            <input className="input" aria-label="Name of this view" placeholder="Name of this view" value={name} onChange={(event) => setName(event.target.value)} />
            <button type="submit" className="button">
              Save
            </button>
          </form>
        </div>
      )}
    </Popover>
  );
}
