/** A button that opens a small panel; Escape and a click elsewhere close it. */

import { useEffect, useId, useRef, useState, type ReactNode } from "react";

interface Props {
  label: string;
  children: ReactNode | ((close: () => void) => ReactNode);
  button?: ReactNode;
  className?: string;
  side?: "left";
}

export function Popover({ label, children, button, className = "button", side }: Props): ReactNode {
  const [isOpen, setOpen] = useState(false);
  const id = useId();
  const anchor = useRef<HTMLSpanElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!isOpen) return undefined;
    const close = (event: Event): void => {
      if (event instanceof KeyboardEvent) {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        opener.current?.focus();
      } else if (anchor.current?.contains(event.target as Node)) return;
      setOpen(false);
    };
    document.addEventListener("pointerdown", close);
    document.addEventListener("keydown", close, true);
    return () => {
      document.removeEventListener("pointerdown", close);
      document.removeEventListener("keydown", close, true);
    };
  }, [isOpen]);
  return (
    <span className="popover-anchor" ref={anchor}>
      <button
        ref={opener}
        type="button"
        className={className}
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        aria-label={button === undefined ? undefined : label}
        onClick={() => setOpen(!isOpen)}
      >
        {button ?? label}
      </button>
      {isOpen && (
        <div id={id} className={`popover ${side ?? ""}`} role="group" aria-label={label}>
          {typeof children === "function" ? children(() => setOpen(false)) : children}
        </div>
      )}
    </span>
  );
}
