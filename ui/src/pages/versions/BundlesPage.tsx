/** All datasets, models or runtimes of a project. */

import type { ReactNode } from "react";
import { useParams } from "react-router";

import type { VersionKind } from "../../api/versions";
import { PageHead } from "../../components/PageHead";
import { BundleList } from "../../features/versions/BundleList";

const TITLES: Record<VersionKind, string> = { dataset: "Datasets", model: "Models", runtime: "Runtimes" };

export function bundlesPage(kind: VersionKind): () => ReactNode {
  return function Bundles() {
    const { project = "" } = useParams();
    return (
      <div className="page">
        <PageHead title={TITLES[kind]} />
        <BundleList kind={kind} project={project} />
      </div>
    );
  };
}
