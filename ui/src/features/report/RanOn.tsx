/** What an evaluation ran on: model, datasets, arguments, machine, packages. */

import type { ReactNode } from "react";
import { Link } from "react-router";

import type { JobView } from "../../api/schema";
import { Section } from "../../components/PageHead";
import { asNumber, asText, isObject, type Cell } from "../../lib/cell";
import { bytes, count, short } from "../../lib/format";
import { versionAddress } from "../versions/addresses";
import { imageOf } from "./imageOf";

export function RanOn({ view }: { view: JobView }): ReactNode {
  const manifest = view.manifest as Record<string, Cell>;
  const hardware = isObject(manifest.hardware) ? manifest.hardware : {};
  const model = asText(manifest.model);
  const modelTo = versionAddress(model);
  const packages = isObject(manifest.packages) ? Object.entries(manifest.packages) : [];
  const git = isObject(manifest.git) ? `${short(asText(manifest.git.commit))}${manifest.git.is_dirty === true ? ", with changes that were not committed" : ""}` : "";
  const machine = [asText(hardware.cpu), Number.isFinite(asNumber(hardware.usable_cores)) ? count(asNumber(hardware.usable_cores), "core") : "", Number.isFinite(asNumber(hardware.memory_bytes)) ? bytes(asNumber(hardware.memory_bytes)) : ""].filter(Boolean).join(", ");
  const gpus = Array.isArray(hardware.gpus) ? hardware.gpus.map(gpuName).join(", ") : "";
  const runtime = isObject(manifest.runtime) ? manifest.runtime : {};
  const runtimeTo = versionAddress(asText(runtime.uri));
  const pairs: [string, ReactNode][] = [
    ["Model", modelTo ? <Link to={modelTo}>{view.job.model}</Link> : view.job.model],
    ["Datasets", <Datasets key="d" view={view} />],
    ["Handler", <code key="h">{view.job.handler}</code>],
    ["Command", <code key="c">{Array.isArray(manifest.argv) ? manifest.argv.map(asText).join(" ") : ""}</code>],
    ["Arguments", <code key="a">{Array.isArray(manifest.arguments) ? manifest.arguments.map(asText).join(" ") : ""}</code>],
    ["Executor", view.job.executor],
    ["Runtime", runtimeTo ? <Link key="r" to={runtimeTo}>{runtimeName(asText(runtime.uri))}</Link> : asText(runtime.uri)],
    ["Image", imageOf(manifest.container)],
    ["Seed", asText(manifest.seed)],
    ["Machine", [asText(manifest.host), machine].filter(Boolean).join(": ")],
    ["GPUs", gpus],
    ["Python", [asText(manifest.python_version), asText(manifest.platform)].filter(Boolean).join(", ")],
    ["Git", git],
    ["Packages", packages.length === 0 ? "" : <span key="p" className="mono">{packages.map(([name, version]) => `${name} ${asText(version)}`).join(", ")}</span>],
  ];
  return (
    <Section title="What it ran on">
      <dl className="pairs">
        {pairs
          .filter(([, value]) => value !== "" && !(isEmptyCode(value)))
          .map(([name, value]) => (
            <div key={name} style={{ display: "contents" }}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
    </Section>
  );
}

/** A runtime as the lists name it; one that a model carries has the address of the model. */
function runtimeName(uri: string): string {
  const [, name = uri, version = ""] = /\/(?:runtime|model)\/([^/]+)\/version\/([^/?]+)/.exec(uri) ?? [];
  return version === "" ? name : `${name}@${short(version)}`;
}

function gpuName(cell: Cell): string {
  if (!isObject(cell)) return asText(cell);
  const more = [asText(cell.memory), asText(cell.driver) && `driver ${asText(cell.driver)}`].filter(Boolean);
  return `${asText(cell.name)}${more.length > 0 ? ` (${more.join(", ")})` : ""}`;
}

function isEmptyCode(value: ReactNode): boolean {
  return typeof value === "object" && value !== null && "props" in value && (value.props as { children?: unknown }).children === "";
}

function Datasets({ view }: { view: JobView }): ReactNode {
  return view.inputs.map((each, place) => {
    const to = versionAddress(view.dataset_uris[place] ?? "");
    return <div key={each}>{to ? <Link to={to}>{each}</Link> : each}</div>;
  });
}
