/** Requests to the instance that served this page. Every answer is JSON; everything that is wrong is a `Problem`. */

import type { Problem } from "./schema";

export const API = "/api/v1";

/** What the server said is wrong, or that it could not be asked. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;

  constructor(problem: Pick<Problem, "status" | "code" | "message" | "hint">) {
    super(problem.message);
    this.name = "ApiError";
    this.status = problem.status;
    this.code = problem.code;
    this.hint = problem.hint;
  }

  /** Whether the server did not answer at all. */
  get isOffline(): boolean {
    return this.status === 0;
  }
}

type Word = string | number | boolean;
export type Query = Record<string, Word | readonly Word[] | null | undefined>;

/** An address below `/api/v1`; what is empty is left out. */
export function address(path: string, query: Query = {}): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === "") continue;
    for (const each of Array.isArray(value) ? (value as readonly Word[]) : [value as Word]) words.append(name, String(each));
  }
  const text = words.toString();
  return `${API}${path}${text === "" ? "" : `?${text}`}`;
}

/** One segment of a path. */
export function segment(word: string): string {
  return encodeURIComponent(word);
}

export function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return request<T>(address(path, query), signal ? { signal } : {});
}

/** Items that a page shows of a list at most; longer lists have pages of their own. */
const MOST_ITEMS = 20_000;

/** A list to its end, page by page. */
export async function getAll<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T[]> {
  const items: T[] = [];
  let after: string | null = "";
  while (after !== null && items.length < MOST_ITEMS) {
    const page: { items: T[]; next: string | null } = await get(path, { ...query, after, limit: 1000 }, signal);
    items.push(...page.items);
    after = page.next;
  }
  return items;
}

export function post<T>(path: string, body: object = {}): Promise<T> {
  return request<T>(address(path), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** The text behind an address that the API gave, at most so many bytes of it. */
export async function readText(href: string, most: number, signal?: AbortSignal): Promise<{ text: string; isWhole: boolean }> {
  const answer = await ask(href, { headers: { range: `bytes=0-${most - 1}` }, ...(signal ? { signal } : {}) });
  if (answer.status === 416) return { text: "", isWhole: true }; // nothing is in it
  if (!answer.ok) throw await problemOf(answer);
  const size = Number(answer.headers.get("content-range")?.split("/")[1] ?? Number.NaN);
  return { text: await answer.text(), isWhole: !(size > most) };
}

async function request<T>(url: string, init: RequestInit): Promise<T> {
  const answer = await ask(url, init);
  if (!answer.ok) throw await problemOf(answer);
  return (await answer.json()) as T;
}

async function ask(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError({ status: 0, code: "offline", message: "the server does not answer", hint: "start it again: swcli ui" });
  }
}

async function problemOf(answer: Response): Promise<ApiError> {
  try {
    return new ApiError((await answer.json()) as Problem);
  } catch {
    return new ApiError({ status: answer.status, code: "http", message: `the server answered ${answer.status}`, hint: "" });
  }
}
