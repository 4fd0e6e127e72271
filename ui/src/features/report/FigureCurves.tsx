/** Curves that belong to the figures of an evaluation: ROC, precision and recall, and how often a confidence is right. */

import type { ReactNode } from "react";

import { CurvePlot } from "../../components/CurvePlot";
import { Section } from "../../components/PageHead";
import { curvesOf, type FigureCurve } from "./curvesOf";

const KINDS: Record<string, { title: string; x: string; y: string; diagonal: boolean }> = {
  roc: { title: "ROC curves", x: "false positive rate", y: "true positive rate", diagonal: true },
  "precision-recall": { title: "Precision and recall", x: "recall", y: "precision", diagonal: false },
  reliability: { title: "Reliability", x: "confidence", y: "share that is right", diagonal: true },
};

export function FigureCurves({ report, hasLogged }: { report: Record<string, unknown>; hasLogged: boolean }): ReactNode {
  const all = curvesOf(report).filter((each) => !(hasLogged && each.kind === "roc")); // those are drawn from the tables, where they can be pressed
  const groups = new Map<string, FigureCurve[]>();
  for (const each of all) groups.set(`${each.kind}\n${each.slice}`, [...(groups.get(`${each.kind}\n${each.slice}`) ?? []), each]);
  return [...groups].map(([key, curves]) => {
    const [kind = "", slice = ""] = key.split("\n");
    const { title, x, y, diagonal } = KINDS[kind] ?? { title: kind, x: "x", y: "y", diagonal: false };
    return (
      <Section key={key} title={slice === "" ? title : `${title}, ${slice}`}>
        <CurvePlot label={title} x={x} y={y} diagonal={diagonal} curves={curves.map(({ name, points }) => ({ name, points }))} />
      </Section>
    );
  });
}
