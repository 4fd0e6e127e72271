/** A version of a dataset: its rows, what is in each column, what makes it of another version, how it was built. */

import type { ReactNode } from "react";

import { useDataset } from "../../api/versions";
import { Command } from "../../components/Command";
import { Loaded } from "../../components/states";
import { DatasetRows } from "../../features/versions/DatasetRows";
import { Difference } from "../../features/versions/Difference";
import { Statistics } from "../../features/versions/Statistics";
import { VersionHead } from "../../features/versions/VersionHead";
import { short } from "../../lib/format";
import { Tree } from "../../media/Tree";
import { Tabs, useTab } from "./tabs";
import { usePlace } from "./usePlace";

const TABS = ["rows", "statistics", "difference", "origin"];

export function Component(): ReactNode {
  const place = usePlace();
  const dataset = useDataset(place);
  const tab = useTab(TABS);
  return (
    <Loaded query={dataset} rows={10}>
      {(view) => {
        const exact = { ...place, version: view.version.version };
        return (
          <div className="page">
            <VersionHead kind="dataset" version={view.version} />
            <Tabs names={TABS} shown={tab} />
            {tab === "rows" && <DatasetRows key={exact.version} place={exact} />}
            {tab === "statistics" && <Statistics place={exact} />}
            {tab === "difference" && <Difference kind="dataset" place={exact} />}
            {tab === "origin" && (
              <div className="page">
                <Command text={`swcli model run -d ${view.version.name}/version/${short(view.version.version)}`} />
                <Tree value={{ columns: Object.fromEntries(view.columns.map((each) => [each.name, each.kind])), info: view.info, manifest: view.manifest, folder: view.folder }} />
              </div>
            )}
          </div>
        );
      }}
    </Loaded>
  );
}
