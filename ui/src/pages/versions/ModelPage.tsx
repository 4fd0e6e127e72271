/** A version of a model: its files, its handlers, what makes it of another version. Nothing of it is run. */

import type { ReactNode } from "react";

import { useModel } from "../../api/versions";
import { Command } from "../../components/Command";
import { Section } from "../../components/PageHead";
import { Loaded } from "../../components/states";
import { Difference } from "../../features/versions/Difference";
import { Files } from "../../features/versions/Files";
import { VersionHead } from "../../features/versions/VersionHead";
import { short } from "../../lib/format";
import { Tree } from "../../media/Tree";
import { Tabs, useTab } from "./tabs";
import { usePlace } from "./usePlace";

const TABS = ["files", "handlers", "difference", "origin"];

export function Component(): ReactNode {
  const place = usePlace();
  const model = useModel(place);
  const tab = useTab(TABS);
  return (
    <Loaded query={model} rows={10}>
      {(view) => {
        const exact = { ...place, version: view.version.version };
        return (
          <div className="page">
            <VersionHead kind="model" version={view.version} />
            <Tabs names={TABS} shown={tab} />
            {tab === "files" && <Files kind="model" place={exact} first={view.readme} />}
            {tab === "handlers" &&
              Object.entries(view.handlers).map(([name, steps]) => (
                <Section key={name} title={name}>
                  <Command text={`swcli model run ${view.version.name}/version/${short(view.version.version)} --handler ${name} -d DATASET`} />
                  <Tree value={steps} depth={1} />
                </Section>
              ))}
            {tab === "difference" && <Difference kind="model" place={exact} />}
            {tab === "origin" && <Tree value={view.manifest} />}
          </div>
        );
      }}
    </Loaded>
  );
}
