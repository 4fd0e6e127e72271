/** A locked environment: its lock, what was asked for, what makes it of another version. */

import type { ReactNode } from "react";

import { useRuntime } from "../../api/versions";
import { Code } from "../../media/Code";
import { Section } from "../../components/PageHead";
import { Loaded } from "../../components/states";
import { Difference } from "../../features/versions/Difference";
import { Files } from "../../features/versions/Files";
import { VersionHead } from "../../features/versions/VersionHead";
import { Tree } from "../../media/Tree";
import { Tabs, useTab } from "./tabs";
import { usePlace } from "./usePlace";

const TABS = ["lock", "files", "difference", "origin"];

export function Component(): ReactNode {
  const place = usePlace();
  const runtime = useRuntime(place);
  const tab = useTab(TABS);
  return (
    <Loaded query={runtime} rows={10}>
      {(view) => {
        const exact = { ...place, version: view.version.version };
        return (
          <div className="page">
            <VersionHead kind="runtime" version={view.version} />
            <Tabs names={TABS} shown={tab} />
            {tab === "lock" && (
              <>
                <Section title="runtime.yaml">
                  <Code text={view.runtime_yaml} label="runtime.yaml" />
                </Section>
                {Object.entries(view.lock).map(([name, text]) => (
                  <Section key={name} title={name}>
                    <Code text={text} label={name} />
                  </Section>
                ))}
              </>
            )}
            {tab === "files" && <Files kind="runtime" place={exact} />}
            {tab === "difference" && <Difference kind="runtime" place={exact} />}
            {tab === "origin" && <Tree value={view.manifest} />}
          </div>
        );
      }}
    </Loaded>
  );
}
