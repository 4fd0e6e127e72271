/** The head of a page: what it is of, facts about it, and what can be done. It names the window too. */

import { useEffect, type ReactNode } from "react";

interface Props {
  title: string;
  beside?: ReactNode;
  facts?: ReactNode;
  children?: ReactNode;
}

export function PageHead({ title, beside, facts, children }: Props): ReactNode {
  useEffect(() => {
    document.title = `${title} · Starwhale Model Evaluation`;
  }, [title]);
  return (
    <header className="page-head">
      <div className="titles">
        <h1>
          {title}
          {beside}
        </h1>
        {facts && <div className="facts">{facts}</div>}
      </div>
      {children && <div className="toolbar">{children}</div>}
    </header>
  );
}

export function Section({ title, beside, wide, children }: { title: string; beside?: ReactNode; wide?: boolean; children: ReactNode }): ReactNode {
  return (
    <section className={`section${wide ? " wide" : ""}`}>
      <div className="section-head">
        <h2>{title}</h2>
        {beside}
      </div>
      {children}
    </section>
  );
}
