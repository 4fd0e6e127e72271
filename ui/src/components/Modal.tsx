/** A dialog over the page; the browser keeps the focus in it and gives it back. */

import { useEffect, useRef, type ReactNode } from "react";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
  className?: string;
  /** Without the line that says the title. */
  isBare?: boolean;
}

export function Modal({ title, onClose, children, className = "", isBare = false }: Props): ReactNode {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const at = box.current;
    at?.showModal();
    return () => at?.close();
  }, []);
  return (
    <dialog
      ref={box}
      className={className}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === box.current) onClose();
      }}
    >
      {!isBare && (
        <div className="dialog-head">
          <h2>{title}</h2>
          <button type="button" className="button quiet small" onClick={onClose}>
            Close
          </button>
        </div>
      )}
      {isBare ? children : <div className="dialog-body">{children}</div>}
    </dialog>
  );
}
