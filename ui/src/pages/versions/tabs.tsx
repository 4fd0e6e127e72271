/** Parts of a page that stand in its address as `?tab=`. */

import type { ReactNode } from "react";
import { Link, useLocation } from "react-router";

import { useUrlState } from "../../features/urlState";

export function useTab(names: readonly string[]): string {
  const tab = useUrlState().get("tab");
  return names.includes(tab) ? tab : (names[0] ?? "");
}

export function Tabs({ names, shown }: { names: readonly string[]; shown: string }): ReactNode {
  const { pathname } = useLocation();
  return (
    <nav className="tabs" aria-label="Parts of this version">
      {names.map((each) => (
        <Link key={each} to={each === names[0] ? pathname : `${pathname}?tab=${each}`} className={each === shown ? "active" : ""} aria-current={each === shown ? "page" : undefined}>
          {each[0]?.toUpperCase()}
          {each.slice(1)}
        </Link>
      ))}
    </nav>
  );
}
