/** Short words at the corner about what was done, with a way back. */

import { createContext, useCallback, useContext, useMemo, useRef, useState, type ReactNode } from "react";

interface Toast {
  id: number;
  text: string;
  undo: (() => void) | undefined;
}

type Say = (text: string, undo?: () => void) => void;

const Saying = createContext<Say>(() => undefined);
const SHOWN_MS = 8000;

export function useSay(): Say {
  return useContext(Saying);
}

export function Toasts({ children }: { children: ReactNode }): ReactNode {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const last = useRef(0);
  const close = useCallback((id: number) => setToasts((all) => all.filter((each) => each.id !== id)), []);
  const say = useCallback<Say>(
    (text, undo) => {
      last.current += 1;
      const id = last.current;
      setToasts((all) => [...all.slice(-3), { id, text, undo }]);
      window.setTimeout(() => close(id), SHOWN_MS);
    },
    [close],
  );
  const place = useMemo(
    () => (
      <div className="toast-place" role="status">
        {toasts.map((each) => (
          <div key={each.id} className="toast">
            <span>{each.text}</span>
            {each.undo && (
              <button
                type="button"
                className="button small"
                onClick={() => {
                  each.undo?.();
                  close(each.id);
                }}
              >
                Undo
              </button>
            )}
          </div>
        ))}
      </div>
    ),
    [toasts, close],
  );
  return (
    <Saying value={say}>
      {children}
      {place}
    </Saying>
  );
}
