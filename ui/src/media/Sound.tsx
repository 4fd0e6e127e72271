/** Sound with its waveform, and video. Both are read by ranges, as they are played. */

import { useEffect, useRef, useState, type ReactNode } from "react";

import { asNumber, hrefOf, isObject, type Cell } from "../lib/cell";
import { mediaName } from "./CellView";

/** Larger sound is played, and not drawn. */
const MOST_BYTES = 20 << 20;

export function AudioView({ cell, name }: { cell: Cell | undefined; name: string }): ReactNode {
  const href = hrefOf(cell);
  if (href === "") return <p className="muted">{mediaName(cell)}</p>;
  const size = isObject(cell) ? asNumber(cell.size_bytes) : Number.NaN;
  return (
    <div className="viewer">
      {size <= MOST_BYTES && <Waveform href={href} />}
      <audio controls preload="metadata" src={href} aria-label={`${name}: ${mediaName(cell)}`} />
    </div>
  );
}

export function VideoView({ cell, name }: { cell: Cell | undefined; name: string }): ReactNode {
  const href = hrefOf(cell);
  if (href === "") return <p className="muted">{mediaName(cell)}</p>;
  return (
    <div className="viewer">
      <video controls preload="metadata" src={href} aria-label={`${name}: ${mediaName(cell)}`} />
    </div>
  );
}

const BARS = 300;

function Waveform({ href }: { href: string }): ReactNode {
  const [peaks, setPeaks] = useState<number[] | null>(null);
  const isGone = useRef(false);
  useEffect(() => {
    isGone.current = false;
    void readPeaks(href)
      .then((found) => {
        if (!isGone.current) setPeaks(found);
      })
      .catch(() => undefined); // the player below says what is wrong with it
    return () => {
      isGone.current = true;
    };
  }, [href]);
  if (peaks === null) return <span className="skeleton wave" />;
  return (
    <svg className="wave" viewBox={`0 0 ${BARS} 100`} preserveAspectRatio="none" role="img" aria-label="Waveform">
      {peaks.map((each, place) => (
        <rect key={place} x={place} y={50 - each * 50} width={0.7} height={Math.max(1, each * 100)} fill="currentColor" opacity={0.6} />
      ))}
    </svg>
  );
}

async function readPeaks(href: string): Promise<number[]> {
  const answer = await fetch(href);
  const context = new OfflineAudioContext(1, 1, 44_100);
  const sound = await context.decodeAudioData(await answer.arrayBuffer());
  const samples = sound.getChannelData(0);
  const share = Math.max(1, Math.floor(samples.length / BARS));
  return Array.from({ length: BARS }, (_, bar) => {
    let most = 0;
    for (let at = bar * share; at < Math.min(samples.length, (bar + 1) * share); at += 1) most = Math.max(most, Math.abs(samples[at] ?? 0));
    return most;
  });
}
