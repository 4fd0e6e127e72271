// How much compressed script the first page loads, from what `vite build` made; fails where it is too much. Usage: node first-load.mjs STATIC
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const MOST = 300_000;
const [, , folder] = process.argv;
const manifest = JSON.parse(readFileSync(join(folder, ".vite", "manifest.json"), "utf8"));
const seen = new Set();

function load(name) {
  const chunk = manifest[name];
  if (!chunk) throw new Error(`the manifest has no ${name}: say here what the first page is made of`);
  if (seen.has(chunk.file)) return;
  seen.add(chunk.file);
  (chunk.imports ?? []).forEach(load);
}

const sizeOf = (file) => gzipSync(readFileSync(join(folder, file)), { level: 6 }).length;
["index.html", "src/pages/jobs/JobsPage.tsx"].forEach(load);
const bytes = [...seen].filter((file) => file.endsWith(".js")).reduce((sum, file) => sum + sizeOf(file), 0);
const charts = sizeOf(manifest["src/features/charts/vega.ts"].file);
const kb = (size) => `${Math.round(size / 1000)} KB`;
console.log(`console: the first page loads ${kb(bytes)} of compressed script (at most ${kb(MOST)}); charts load ${kb(charts)} more when one is opened`);
if (bytes > MOST) process.exit(1);
