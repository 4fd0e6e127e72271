/** Nothing is at this address; or a page could not be drawn. */

import type { ReactNode } from "react";
import { Link, useRouteError } from "react-router";

import { Empty, Failure } from "../components/states";

export function Component(): ReactNode {
  return (
    <Empty title="There is no such page">
      <Link to="/">To the evaluations</Link>
    </Empty>
  );
}

export function ErrorBoundary(): ReactNode {
  const error = useRouteError();
  return (
    <main className="main">
      <Failure error={error} onAgain={() => window.location.reload()} />
    </main>
  );
}
