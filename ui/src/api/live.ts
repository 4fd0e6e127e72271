/** What changes, by server-sent events that carry ids only: whatever is concerned is asked for again. */

import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

import { address } from "./client";
import type { Change } from "./schema";

type Listener = () => void;

/** Whether the server answers. Pages show a banner while it does not, and everything is asked for again when it is back. */
class Connection {
  private isUp = true;
  private readonly listeners = new Set<Listener>();

  readonly subscribe = (listener: Listener): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly get = (): boolean => this.isUp;

  set(isUp: boolean): void {
    if (isUp === this.isUp) return;
    this.isUp = isUp;
    this.listeners.forEach((each) => each());
  }
}

const connection = new Connection();

export function useIsConnected(): boolean {
  return useSyncExternalStore(connection.subscribe, connection.get);
}

/** Changes of one kind come in bursts; what they concern is asked for again at most so often. */
const PAUSE_MS = 500;
const AGAIN_MS = 1500;

/** Follow the changes of the instance until the returned function is called. */
export function followChanges(client: QueryClient): () => void {
  let source: EventSource | null = null;
  let again: number | undefined;
  let flush: number | undefined;
  let isEnded = false;
  const waiting = new Map<string, Change>();

  const refresh = (): void => {
    flush = undefined;
    const changes = [...waiting.values()];
    waiting.clear();
    if (changes.some((each) => each.kind === "all")) {
      void client.invalidateQueries();
      return;
    }
    for (const change of changes) for (const key of keysOf(change)) void client.invalidateQueries({ queryKey: key });
  };
  const note = (change: Change): void => {
    waiting.set(`${change.kind} ${change.id}`, change);
    flush ??= window.setTimeout(refresh, PAUSE_MS);
  };
  const open = (): void => {
    if (isEnded) return;
    source = new EventSource(address("/events"));
    source.addEventListener("hello", () => {
      if (!connection.get()) note({ kind: "all", id: "" });
      connection.set(true);
    });
    source.addEventListener("change", (event: MessageEvent<string>) => note(JSON.parse(event.data) as Change));
    source.onerror = () => {
      source?.close(); // a browser gives up for good after some answers; try again ourselves
      connection.set(false);
      again = window.setTimeout(open, AGAIN_MS);
    };
  };

  open();
  return () => {
    isEnded = true;
    window.clearTimeout(again);
    window.clearTimeout(flush);
    source?.close();
  };
}

function keysOf(change: Change): string[][] {
  if (change.kind === "job") return [["jobs"], ["job", change.id]];
  if (change.kind === "results") return [["jobs"], ["job", change.id]];
  if (change.kind === "project") return [["projects"]];
  return [[change.kind]];
}
