// Bundles the front ends of the panels and of the server's page into the Python package, and notes
// what they were built from.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const maasnb = join(here, "..", "maasnb");
const BUNDLES = [
  { out: join(maasnb, "panels", "static"), entries: { training: "src/panel/index.ts" }, copies: [] },
  {
    out: join(maasnb, "serve", "static"),
    entries: { page: "src/page/index.ts" },
    copies: ["src/page/page.html", "src/page/icon.svg"],
  },
];
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

const sources = `${hash.digest("hex")}\n`;

for (const { out, entries, copies } of BUNDLES) {
  mkdirSync(out, { recursive: true });
  await build({
    absWorkingDir: here,
    entryPoints: entries,
    outdir: out,
    bundle: true,
    format: "esm",
    minify: true,
    target: "es2022",
    legalComments: "inline",
    logLevel: "info",
  });
  for (const name of copies) copyFileSync(join(here, name), join(out, basename(name)));
  writeFileSync(join(out, "sources.sha256"), sources);
}
