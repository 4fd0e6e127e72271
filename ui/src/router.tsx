/** Which page is at which address; pages are loaded when they are opened. */

import { createBrowserRouter } from "react-router";

import { Skeleton } from "./components/states";
import { Shell } from "./features/shell/Shell";
import { Component as Home } from "./pages/Home";
import { Component as Lost, ErrorBoundary } from "./pages/Lost";

const bundles = async (kind: "dataset" | "model" | "runtime") => ({ Component: (await import("./pages/versions/BundlesPage")).bundlesPage(kind) });

export const router = createBrowserRouter([
  {
    path: "/",
    element: <Shell />,
    errorElement: <ErrorBoundary />,
    hydrateFallbackElement: <Skeleton rows={10} />,
    children: [
      { index: true, element: <Home /> },
      { path: "projects/:project", element: <Home /> },
      { path: "projects/:project/jobs", lazy: () => import("./pages/jobs/JobsPage") },
      {
        path: "jobs/:job",
        lazy: () => import("./pages/job/JobPage"),
        children: [
          { index: true, lazy: () => import("./pages/job/ReportTab") },
          { path: "rows", lazy: () => import("./pages/job/RowsTab") },
          { path: "tables", lazy: () => import("./pages/job/TablesTab") },
          { path: "steps", lazy: () => import("./pages/job/StepsTab") },
        ],
      },
      { path: "compare", lazy: () => import("./pages/compare/ComparePage") },
      { path: "projects/:project/datasets", lazy: () => bundles("dataset") },
      { path: "projects/:project/models", lazy: () => bundles("model") },
      { path: "projects/:project/runtimes", lazy: () => bundles("runtime") },
      { path: "projects/:project/datasets/:name/:version?", lazy: () => import("./pages/versions/DatasetPage") },
      { path: "projects/:project/models/:name/:version?", lazy: () => import("./pages/versions/ModelPage") },
      { path: "projects/:project/runtimes/:name/:version?", lazy: () => import("./pages/versions/RuntimePage") },
      { path: "*", element: <Lost /> },
    ],
  },
]);
