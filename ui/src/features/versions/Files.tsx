/** The files of a version, one of them opened. */

import type { ReactNode } from "react";

import { address } from "../../api/client";
import type { FileView } from "../../api/schema";
import { useFiles, useText, versionPath, type VersionPlace } from "../../api/versions";
import { Code } from "../../media/Code";
import { Empty, Loaded } from "../../components/states";
import { bytes, count } from "../../lib/format";
import { useUrlState } from "../urlState";

const IMAGES = /\.(png|jpe?g|gif|webp|svg)$/i;
const MOST_TEXT = 400_000;

export function Files({ kind, place, first }: { kind: "model" | "runtime"; place: VersionPlace; first?: string }): ReactNode {
  const url = useUrlState();
  const files = useFiles(kind, place);
  return (
    <Loaded query={files}>
      {(all) => {
        if (all.length === 0) return <Empty title="This version has no files" />;
        const preferred = all.find((each) => each.path === first) ?? all.find((each) => each.path.endsWith(".py")) ?? all[0];
        const opened = all.find((each) => each.path === url.get("file")) ?? preferred;
        return (
          <div className="split">
            <ul className="file-list" aria-label={count(all.length, "file")}>
              {all.map((each) => (
                <li key={each.path}>
                  <button type="button" aria-current={each === opened} onClick={() => url.set({ file: each.path })}>
                    <span className="clip mono" title={each.path}>{each.path}</span>
                    <span className="muted num">{each.kind === "file" ? bytes(each.size_bytes) : each.kind}</span>
                  </button>
                </li>
              ))}
            </ul>
            {opened && <Opened key={opened.path} file={opened} href={address(`${versionPath(kind, place)}/file`, { path: opened.path })} />}
          </div>
        );
      }}
    </Loaded>
  );
}

function Opened({ file, href }: { file: FileView; href: string }): ReactNode {
  const isImage = IMAGES.test(file.path);
  const isText = file.kind === "file" && !isImage && file.size_bytes > 0;
  const text = useText(isText ? href : "", MOST_TEXT);
  if (file.kind !== "file") return <p className="muted">{file.kind === "link" ? `leads to ${file.target}` : "an empty folder"}</p>;
  return (
    <div className="page" style={{ gap: 8, minWidth: 0 }}>
      <div className="section-head">
        <h3 className="mono" style={{ overflowWrap: "anywhere" }}>{file.path}</h3>
        <a href={href} download={file.path.split("/").at(-1)}>
          Download
        </a>
      </div>
      {isImage && <img src={href} alt={file.path} style={{ maxWidth: "100%" }} />}
      {file.size_bytes === 0 && <p className="muted">The file is empty.</p>}
      {isText && (
        <Loaded query={text}>
          {(found) =>
            /\0|\uFFFD{2}/.test(found.text.slice(0, 4000)) ? (
              <p className="muted">{bytes(file.size_bytes)} that are no text.</p>
            ) : (
              <>
                <Code text={found.text} label={file.path} />
                {!found.isWhole && <p className="muted">This is the beginning; the whole file has {bytes(file.size_bytes)}.</p>}
              </>
            )
          }
        </Loaded>
      )}
    </div>
  );
}
