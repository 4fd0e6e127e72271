/** Light or dark: as the machine says, or as was chosen here. */

import { useEffect, useSyncExternalStore } from "react";

import { useKept } from "../kept";

export type Theme = "auto" | "light" | "dark";

const DARK = "(prefers-color-scheme: dark)";

function onMachine(change: () => void): () => void {
  const query = window.matchMedia(DARK);
  query.addEventListener("change", change);
  return () => query.removeEventListener("change", change);
}

export function useTheme(): { theme: Theme; shown: "light" | "dark"; choose: (theme: Theme) => void } {
  const [theme, choose] = useKept<Theme>("theme", "auto");
  const isDark = useSyncExternalStore(onMachine, () => window.matchMedia(DARK).matches);
  const shown = theme === "auto" ? (isDark ? "dark" : "light") : theme;
  useEffect(() => {
    document.documentElement.dataset.theme = shown;
  }, [shown]);
  return { theme, shown, choose };
}
