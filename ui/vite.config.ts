import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where `npm run dev` finds the API: `swcli ui --port 8765`. */
const SERVER = "http://127.0.0.1:8765";

export default defineConfig({
  plugins: [react()],
  base: "/",
  build: {
    outDir: "../src/starwhale/server/static",
    emptyOutDir: true,
    manifest: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500, // Vega is loaded when a chart is asked for
  },
  server: { proxy: { "/api": { target: SERVER, headers: { origin: SERVER, host: "127.0.0.1:8765" } } } },
});
