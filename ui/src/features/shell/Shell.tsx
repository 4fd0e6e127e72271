/** What is around every page: where one can go, the banner when the server is gone, the palette, the keys. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { Link, NavLink, Outlet, useLocation, useMatch, useNavigate } from "react-router";

import { useInstance, useProjects } from "../../api/instance";
import { followChanges, useIsConnected } from "../../api/live";
import { Help } from "./Help";
import { Palette, type Action } from "./Palette";
import { useTheme, type Theme } from "./theme";

const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const SIGNS: Record<Theme, string> = { auto: "◐", light: "☀", dark: "☾" };

/** The project that the address names, else the last one seen, else the instance's current one. */
export function useProject(): string {
  const inPath = useMatch("/projects/:project/*")?.params.project;
  const current = useInstance().data?.current_project ?? "";
  const [seen, setSeen] = useState("");
  if (inPath !== undefined && inPath !== seen) setSeen(inPath);
  return inPath ?? (seen || current);
}

export function Shell(): ReactNode {
  const client = useQueryClient();
  const navigate = useNavigate();
  const project = useProject();
  const { theme, choose } = useTheme();
  const [open, setOpen] = useState<"palette" | "help" | null>(null);
  useEffect(() => followChanges(client), [client]);
  const main = useFocusOnNewPage();

  const actions = useMemo<Action[]>(() => {
    const base = `/projects/${encodeURIComponent(project)}`;
    const go = (title: string, to: string): Action => ({ title, kind: "page", run: () => void navigate(to) });
    return [
      go("Evaluations", `${base}/jobs`),
      go("Datasets", `${base}/datasets`),
      go("Models", `${base}/models`),
      go("Runtimes", `${base}/runtimes`),
      ...(["light", "dark", "auto"] as const).map((each) => ({
        title: each === "auto" ? "Colours as the machine says" : `${each === "light" ? "Light" : "Dark"} colours`,
        kind: "setting",
        run: () => choose(each),
      })),
      { title: "What the keys do", kind: "help", run: () => setOpen("help") },
    ];
  }, [project, navigate, choose]);

  useShortcuts({
    palette: () => setOpen("palette"),
    help: () => setOpen("help"),
    theme: () => choose(NEXT[theme]),
    go: (place) => void navigate(`/projects/${encodeURIComponent(project)}/${place}`),
  });

  return (
    <div className="shell">
      <a className="skip" href="#main">
        To the content
      </a>
      <Bar project={project} theme={theme} onTheme={() => choose(NEXT[theme])} onOpen={setOpen} />
      <Banner />
      <main id="main" className="main" tabIndex={-1} ref={main}>
        <Outlet />
      </main>
      {open === "palette" && <Palette project={project} actions={actions} onClose={() => setOpen(null)} />}
      {open === "help" && <Help onClose={() => setOpen(null)} />}
    </div>
  );
}

interface BarProps {
  project: string;
  theme: Theme;
  onTheme: () => void;
  onOpen: (what: "palette" | "help") => void;
}

function Bar({ project, theme, onTheme, onOpen }: BarProps): ReactNode {
  const base = `/projects/${encodeURIComponent(project)}`;
  const { pathname } = useLocation();
  const isJobs = pathname.startsWith("/jobs") || pathname.startsWith("/compare");
  return (
    <header className="bar">
      <Link to={`${base}/jobs`} className="brand" aria-label="Starwhale Model Evaluation: evaluations">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="7" fill="#2457d6" />
          <path d="M8 21.500h4v3H8zM14 15h4v9.500h-4zM20 8h4v16.500h-4z" fill="#fff" />
        </svg>
        <span className="label">Starwhale Model Evaluation</span>
      </Link>
      <nav className="nav" aria-label="Pages">
        <NavLink to={`${base}/jobs`} className={({ isActive }) => (isActive || isJobs ? "active" : "")}>
          Evaluations
        </NavLink>
        <NavLink to={`${base}/datasets`}>Datasets</NavLink>
        <NavLink to={`${base}/models`}>Models</NavLink>
        <NavLink to={`${base}/runtimes`}>Runtimes</NavLink>
      </nav>
      <div className="bar-end">
        <ProjectPicker project={project} />
        <button type="button" className="button search-button" onClick={() => onOpen("palette")} title="Command palette">
          <span>
            <span aria-hidden="true">⌕</span> <span className="label">Go to…</span>
          </span>
          <kbd className="label">Ctrl K</kbd>
        </button>
        <button type="button" className="button quiet icon" onClick={onTheme} aria-label={`Colours: ${theme}`} title={`Colours: ${theme}`}>
          {SIGNS[theme]}
        </button>
        <button type="button" className="button quiet icon" onClick={() => onOpen("help")} aria-label="What the keys do" title="What the keys do (?)">
          ?
        </button>
      </div>
    </header>
  );
}

function ProjectPicker({ project }: { project: string }): ReactNode {
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const projects = useProjects().data ?? [];
  if (projects.length < 2) return null;
  const place = /\/(jobs|datasets|models|runtimes)/.exec(pathname)?.[1] ?? "jobs";
  return (
    <select
      className="select"
      aria-label="Project"
      value={project}
      onChange={(event) => void navigate(`/projects/${encodeURIComponent(event.target.value)}/${place}`)}
    >
      {!projects.some((each) => each.name === project) && <option>{project}</option>}
      {projects.map((each) => (
        <option key={each.name}>{each.name}</option>
      ))}
    </select>
  );
}

function Banner(): ReactNode {
  const isConnected = useIsConnected();
  if (isConnected) return <div />;
  return (
    <div className="banner" role="alert">
      The server does not answer. What you see may be old; this page goes on by itself when the server is back (<code>swcli ui</code>).
    </div>
  );
}

/** A new page begins at its top, and a screen reader at its content. */
function useFocusOnNewPage(): React.RefObject<HTMLElement | null> {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const before = useRef(pathname);
  useEffect(() => {
    if (before.current === pathname) return;
    before.current = pathname;
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [pathname]);
  return main;
}

interface Shortcuts {
  palette: () => void;
  help: () => void;
  theme: () => void;
  go: (place: string) => void;
}

const PLACES: Record<string, string> = { e: "jobs", d: "datasets", m: "models", r: "runtimes" };
/** How long `g` waits for the letter behind it. */
const WAIT_MS = 1200;

function useShortcuts(shortcuts: Shortcuts): void {
  const now = useRef(shortcuts);
  useEffect(() => {
    now.current = shortcuts;
  });
  useEffect(() => {
    let goneAt = 0;
    const onKey = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        now.current.palette();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
      const isGoing = event.timeStamp - goneAt < WAIT_MS;
      const place = PLACES[event.key];
      goneAt = 0;
      if (isGoing && place) now.current.go(place);
      else if (event.key === "g") goneAt = event.timeStamp;
      else if (event.key === "?") now.current.help();
      else if (event.key === "t") now.current.theme();
      else if (event.key === "/") {
        event.preventDefault();
        document.querySelector<HTMLElement>("[data-search]")?.focus();
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}
