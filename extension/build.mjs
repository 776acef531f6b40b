// Bundles the panels' front end into the Python package, and notes what it was built from.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = join(here, "..", "maasnb", "panels", "static");
const SOURCES = ["build.mjs", "package.json", "package-lock.json", "tsconfig.json"];

// The same walk as in tests/panels/test_bundle.py: names in order, each with its contents.
function files(folder) {
  return readdirSync(join(here, folder), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? files(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
  );
}

const hash = createHash("sha256");
for (const name of [...SOURCES, ...files("src")].sort()) {
  hash.update(`${name}\n`).update(readFileSync(join(here, name)));
}

mkdirSync(out, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: { training: "src/panel/index.ts" },
  outdir: out,
  bundle: true,
  format: "esm",
  minify: true,
  target: "es2022",
  legalComments: "inline",
  logLevel: "info",
});
writeFileSync(join(out, "sources.sha256"), `${hash.digest("hex")}\n`);
