/** A chart from a Vega-Lite specification, in the colours of the page. */

import { useEffect, useRef, useState, type ReactNode } from "react";
import type { TopLevelSpec } from "vega-lite";

interface Props {
  spec: Record<string, unknown>;
  label: string;
  height?: number;
  onPick?: (datum: Record<string, unknown>) => void;
}

export function Chart({ spec, label, height = 260, onPick }: Props): ReactNode {
  const place = useRef<HTMLDivElement>(null);
  const pick = useRef(onPick);
  const [failed, setFailed] = useState("");
  const [width, setWidth] = useState(0);
  useEffect(() => {
    pick.current = onPick;
  });
  useEffect(() => {
    const at = place.current?.parentElement;
    if (!at) return undefined;
    const observer = new ResizeObserver(() => setWidth(Math.floor(at.clientWidth)));
    observer.observe(at);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const at = place.current;
    if (!at || width === 0) return undefined;
    let end: (() => void) | null = null;
    let isGone = false;
    void import("./vega")
      .then(({ draw }) => {
        if (isGone) return;
        at.replaceChildren();
        const whole = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", width: width - 8, height, autosize: { type: "fit", contains: "padding" }, ...spec, config: colours() };
        end = draw(at, whole as unknown as TopLevelSpec, (datum) => pick.current?.(datum)).end;
      })
      .catch((error: unknown) => setFailed(error instanceof Error ? error.message : String(error)));
    return () => {
      isGone = true;
      end?.();
    };
  }, [spec, width, height]);
  if (failed) return <p className="bad">The chart could not be drawn: {failed}</p>;
  return (
    <div className="chart" style={{ minHeight: height }}>
      <div ref={place} role="img" aria-label={label} />
    </div>
  );
}

function colours(): Record<string, unknown> {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string): string => style.getPropertyValue(name).trim();
  const axis = { labelColor: of("--text-2"), titleColor: of("--text-2"), gridColor: of("--line"), domainColor: of("--line-strong"), tickColor: of("--line-strong") };
  return {
    background: "transparent",
    font: "system-ui, sans-serif",
    axis,
    axisX: { tickCount: 8, labelOverlap: true },
    legend: { labelColor: of("--text-2"), titleColor: of("--text-2") },
    view: { stroke: of("--line") },
    mark: { color: of("--accent") },
  };
}
