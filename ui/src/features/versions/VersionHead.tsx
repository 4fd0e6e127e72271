/** The head of a page about a version: what it is, which other versions there are, its tags. */

import { useState, type ReactNode } from "react";
import { useNavigate } from "react-router";

import type { VersionView } from "../../api/schema";
import { useTags, useVersions, type VersionKind } from "../../api/versions";
import { CopyButton } from "../../components/Command";
import { PageHead } from "../../components/PageHead";
import { Popover } from "../../components/Popover";
import { useSay } from "../../components/toasts";
import { age, bytes, count, date, short } from "../../lib/format";
import { versionPage } from "./addresses";

export function VersionHead({ kind, version, children }: { kind: VersionKind; version: VersionView; children?: ReactNode }): ReactNode {
  const navigate = useNavigate();
  const versions = useVersions(kind, version.project, version.name).data ?? [];
  const tags = version.tags.map((each) => <span key={each} className="badge">{each}</span>);
  return (
    <PageHead
      title={version.name}
      beside={tags}
      facts={
        <>
          <span className="mono">{short(version.version)}</span>
          {version.row_count !== null && <span className="num">{count(version.row_count, "row")}</span>}
          <span className="num">{bytes(version.size_bytes)}</span>
          <span title={date(version.created_at)}>{age(version.created_at, Date.now() / 1000)}</span>
          {version.message !== "" && <span>“{version.message}”</span>}
        </>
      }
    >
      <select className="select" aria-label="Version" value={version.version} onChange={(event) => void navigate(versionPage(kind, version.project, version.name, event.target.value))}>
        {!versions.some((each) => each.version === version.version) && <option value={version.version}>{short(version.version)}</option>}
        {versions.map((each) => (
          <option key={each.version} value={each.version}>
            {[short(each.version), ...each.tags].join(" · ")}
          </option>
        ))}
      </select>
      <Tags kind={kind} version={version} />
      <CopyButton text={version.uri} label="Copy URI" />
      {children}
    </PageHead>
  );
}

function Tags({ kind, version }: { kind: VersionKind; version: VersionView }): ReactNode {
  const change = useTags(kind);
  const say = useSay();
  const [tag, setTag] = useState("");
  const place = { project: version.project, name: version.name, version: version.version };
  const onError = (error: Error): void => say(error.message);
  const own = version.tags.filter((each) => each !== "latest" && !/^v\d+$/.test(each));
  return (
    <Popover label="Tags">
      <div className="chips" style={{ marginBottom: 8 }}>
        {own.map((each) => (
          <span key={each} className="badge">
            {each}
            <button type="button" className="link-button" aria-label={`Take the tag ${each} away`} onClick={() => change.mutate({ ...place, add: [], remove: [each] }, { onError })}>
              ✕
            </button>
          </span>
        ))}
      </div>
      <form
        className="toolbar"
        style={{ flexWrap: "nowrap" }}
        onSubmit={(event) => {
          event.preventDefault();
          if (tag.trim() !== "") change.mutate({ ...place, add: [tag.trim()], remove: [] }, { onError, onSuccess: () => setTag("") });
        }}
      >
        <input className="input" aria-label="New tag" placeholder="New tag" value={tag} onChange={(event) => setTag(event.target.value)} />
        <button type="submit" className="button">
          Add
        </button>
      </form>
    </Popover>
  );
}
