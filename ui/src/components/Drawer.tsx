/** Details at the side of a list that stays in sight; Escape closes it, and focus goes back to where it was. */

import { useEffect, useRef, type ReactNode } from "react";

interface Props {
  title: string;
  onClose: () => void;
  actions?: ReactNode;
  children: ReactNode;
}

export function Drawer({ title, onClose, actions, children }: Props): ReactNode {
  const box = useRef<HTMLElement>(null);
  const close = useRef(onClose);
  useEffect(() => {
    close.current = onClose;
  });
  useEffect(() => {
    const before = document.activeElement;
    box.current?.focus();
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) close.current();
    };
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("keydown", onKey);
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <aside className="drawer" ref={box} tabIndex={-1} aria-label={title}>
      <div className="drawer-head">
        <h2 className="clip" title={title}>
          {title}
        </h2>
        <span className="toolbar" style={{ flexWrap: "nowrap" }}>
          {actions}
          <button type="button" className="button small" onClick={onClose}>
            Close
          </button>
        </span>
      </div>
      <div className="drawer-body">{children}</div>
    </aside>
  );
}
