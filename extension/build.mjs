// Bundles the front ends of the panels and of the server's page into the Python package, and the
// JupyterLab extension into labextension/, and notes what they were built from.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build, transform } from "esbuild";

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
const LAB = join(here, "labextension");
const SOURCES = ["build.mjs", "package.json", "package-lock.json", "schema/plugin.json", "tsconfig.json"];

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

const OPTIONS = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  charset: "utf8", // Chinese as it is; escaped it is twice as long
  target: "es2022",
  legalComments: "inline",
};

for (const { out, entries, copies } of BUNDLES) {
  mkdirSync(out, { recursive: true });
  await build({ ...OPTIONS, entryPoints: entries, outdir: out, format: "esm", logLevel: "info" });
  for (const name of copies) copyFileSync(join(here, name), join(out, basename(name)));
  writeFileSync(join(out, "sources.sha256"), sources);
}

// The extension: a module of its own for what draws runs, and the rest as a federated container.
async function bundled(entry, format, more) {
  const loader = { ".css": "text", ".svg": "text" };
  return build({ ...OPTIONS, entryPoints: [entry], format, loader, write: false, outdir: LAB, metafile: true, ...more });
}

function written(name, text) {
  const stamp = createHash("sha256").update(text).digest("hex").slice(0, 16);
  writeFileSync(join(LAB, "static", `${name}.${stamp}.js`), text);
  return `${name}.${stamp}.js`;
}

rmSync(LAB, { recursive: true, force: true });
mkdirSync(join(LAB, "static"), { recursive: true });
mkdirSync(join(LAB, "schemas", "maasnb"), { recursive: true });
copyFileSync(join(here, "schema", "plugin.json"), join(LAB, "schemas", "maasnb", "plugin.json"));

const viewing = written("viewing", (await bundled("src/lab/viewing.ts", "esm")).outputFiles[0].text);
// Its words come from Jupyter's catalogue and from the kernel: the panel's own are left out.
const noCatalogue = {
  name: "no catalogue",
  setup: ({ onLoad }) => onLoad({ filter: /language.zh\.json$/ }, () => ({ contents: "{}", loader: "json" })),
};
const lab = await bundled("src/lab/index.ts", "cjs", {
  plugins: [noCatalogue],
  external: ["@jupyterlab/*", "@lumino/*"],
  define: { VIEWING_FILE: JSON.stringify(viewing) },
  supported: { "dynamic-import": true },
});
const wanted = Object.values(lab.metafile.outputs).flatMap((each) =>
  each.imports.filter((one) => one.external && one.kind !== "dynamic-import").map((one) => one.path),
);
const shared = [...new Set(wanted)].sort();
const source = readFileSync(join(here, "src", "lab", "container.js"), "utf8");
const container = (await transform(`export default ${source.replace(/^\/\/.*\n/gm, "").trim()}`, { minify: true })).code
  .replace(/^.*?export default/s, "")
  .replace(/;?\s*$/, "");
const entry = written(
  "remoteEntry",
  `(self._JUPYTERLAB??={}).maasnb=(${container})((require,module,exports,maasnbBase)=>{${lab.outputFiles[0].text}},${JSON.stringify(shared)});\n`,
);

const { name, version, description, license } = {
  ...JSON.parse(readFileSync(join(here, "package.json"), "utf8")),
  name: "maasnb",
};
// The oldest Jupyter that is supported: JupyterLab 4.4 and Notebook 7.4.
const OLDEST = { "@jupyterlab/apputils": "^4.5.0", "@jupyterlab/services": "^7.4.0" };
const dependencies = Object.fromEntries(
  shared.map((each) => [each, each.startsWith("@lumino/") ? "^2.0.0" : (OLDEST[each] ?? "^4.4.0")]),
);
const jupyterlab = {
  extension: true,
  schemaDir: "schema",
  _build: { load: `static/${entry}`, extension: "./extension" },
};
const about = { name, version, description, license, dependencies, jupyterlab };
writeFileSync(join(LAB, "package.json"), `${JSON.stringify(about, null, 2)}\n`);
const managed = {
  packageManager: "python",
  packageName: "maasnb",
  uninstallInstructions: "Use your Python package manager (pip, conda, etc.) to uninstall the package maasnb",
};
writeFileSync(join(LAB, "install.json"), `${JSON.stringify(managed, null, 2)}\n`);
writeFileSync(join(LAB, "sources.sha256"), sources);
