/** The page's two views: the models of a server, and one model. */

import { language, translated } from "../language/translating";
import { h, setText } from "../panel/dom";
import { short } from "../panel/format";
import { textIfThere } from "./api";
import { Form } from "./form";
import { Live } from "./live";
import { markdown } from "./markdown";
import {
  described,
  kindInWords,
  listed,
  metadata,
  versionsOf,
  type Described,
  type Listed,
  type Metadata,
  type VersionFacts,
} from "./model";
import { WriterForm } from "./writer";

export interface View {
  element: HTMLElement;
  end: () => void;
}

export const link = (name: string, version: string | null = null): string =>
  `#/${encodeURIComponent(name)}${version === null ? "" : `/${encodeURIComponent(version)}`}`;

const nothing = (): void => undefined;

const PLATFORMS: Record<string, string> = { onnx_onnxv1: "ONNX", jax_stablehlo: "StableHLO" };

export async function listView(): Promise<View> {
  const models = await listed();
  if (!models.length) {
    const words = "No model is published here yet. In a notebook type:";
    const empty = h("section", { class: "block" }, h("h1", {}, "Models"), h("p", {}, words), h("pre", {}, h("code", {}, 'mb.publish(run, "name")')));
    return { element: empty, end: nothing };
  }
  const cards = models.map((model) => {
    const words = h("p", { class: "faint" }, "…");
    void metadata(model.name, model.serves ? String(model.serves) : null).then(
      (found) => setText(words, kindInWords(found)),
      (error: Error) => setText(words, error.message),
    );
    const count = versionsOf(model).length;
    return h(
      "li",
      { class: "model" },
      h("a", { href: link(model.name), translate: "no" }, model.name),
      words,
      h("p", { class: "chips" }, h("span", { class: "chip" }, `${count} version${count === 1 ? "" : "s"}`), ...chips(model)),
    );
  });
  return { element: h("section", {}, h("h1", {}, "Models"), h("ul", { class: "models" }, ...cards)), end: nothing };
}

/** Return who answers what, as small labels. */
function chips(model: Listed): HTMLElement[] {
  const found = Object.entries(model.aliases ?? {}).map(([alias, version]) => `${alias} → ${version}`);
  if (model.canary) found.push(`canary → ${model.canary.version}, ${short(model.canary.percent)} %`);
  if (typeof model.shadow === "number") found.push(`shadow → ${model.shadow}`);
  return found.map((words) => h("span", { class: "chip strong" }, words));
}

export async function modelView(name: string, version: string | null, go: (target: string) => void): Promise<View> {
  const more = await described(name);
  // Asked without a version, a canary could answer what it is itself.
  const model = await metadata(name, version ?? (more?.serves ? String(more.serves) : null));
  const writes = Boolean(model.parameters?.generation);
  const form = writes ? new WriterForm(model, version) : new Form(model, version);
  const live = new Live(name, version);
  const card = h("section", { class: "block card", "aria-label": "Card", hidden: true }, h("h2", {}, "Card"));
  const shownVersion = model.parameters?.version ?? version;
  if (shownVersion) void showCard(card, name, shownVersion);
  const element = h(
    "article",
    {},
    head(model, more, version, go),
    h("section", { class: "block", "aria-label": "Try it" }, h("h2", {}, "Try it"), form.element),
    live.element,
    h("div", { class: "pair" }, facts(model), versions(name, more ?? model, more)),
    card,
  );
  const end = (): void => {
    live.end();
    if (form instanceof WriterForm) form.end();
  };
  return { element, end };
}

async function showCard(card: HTMLElement, name: string, version: string): Promise<void> {
  const text = await textIfThere(`maas/v1/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}/card`).catch(() => null);
  if (!text?.trim()) return;
  card.append(h("div", { class: "markdown" }, markdown(text) as unknown as Node));
  card.hidden = false;
}

function head(model: Metadata, more: Described | null, version: string | null, go: (target: string) => void): HTMLElement {
  const all = versionsOf(more ?? model);
  const select = h(
    "select",
    { id: "version", change: () => go(link(model.name, select.value || null)) },
    h("option", { value: "" }, "the one that answers"),
    ...all.map((each) => h("option", { value: each.number }, `version ${each.number}`)),
  );
  select.value = version ?? "";
  return h(
    "div",
    { class: "head" },
    h("p", { class: "crumbs" }, h("a", { href: "#/" }, "Models")),
    h("div", { class: "title" }, h("h1", { translate: "no" }, model.name), h("label", { class: "choose", for: "version" }, "version ", select)),
    h("p", { class: "lead" }, `${translated(kindInWords(model))}${language() === "zh" ? "。" : "."}`),
    h("p", { class: "chips" }, ...(more ? chips(more) : [])),
  );
}

function facts(model: Metadata): HTMLElement {
  const { framework, generation, metrics = {}, labels = [], version } = model.parameters ?? {};
  const side = (tensors: Metadata["inputs"]): string =>
    tensors.map((each) => `${each.name} ${each.datatype} [${each.shape.map((size) => (size === -1 ? "n" : size)).join(", ")}]`).join(", ");
  const rows: [string, string][] = [
    ["version", version ?? "–"],
    ["takes", side(model.inputs)],
    ["returns", side(model.outputs)],
    ["trained in", framework ?? "–"],
    ["runs as", PLATFORMS[model.platform ?? ""] ?? model.platform ?? "–"],
  ];
  for (const [metric, value] of Object.entries(metrics)) rows.push([metric, short(value)]);
  if (generation) rows.push(["sees", translated(`${generation.context} ${generation.unit}s`)], ["knows", translated(`${labels.length - 1} ${generation.unit}s`)]);
  else if (labels.length && labels.length <= 20) rows.push(["classes", labels.map(String).join(", ")]);
  return h(
    "section",
    { class: "block", "aria-label": "Facts" },
    h("h2", {}, "Facts"),
    h("dl", { class: "facts" }, ...rows.flatMap(([term, value]) => [h("dt", {}, term), h("dd", { translate: "no" }, value)])),
  );
}

function versions(name: string, model: Listed | Metadata, more: Described | null): HTMLElement {
  const aliases = Object.entries(more?.aliases ?? {});
  const rolesOf = (each: VersionFacts): string[] => {
    const roles = aliases.filter(([, version]) => String(version) === each.number).map(([alias]) => alias);
    if (String(more?.canary?.version) === each.number) roles.push(`canary ${short(more?.canary?.percent)} %`);
    if (String(more?.shadow) === each.number) roles.push("shadow");
    return roles;
  };
  const all = versionsOf(model).slice(0, 50);
  const columns: [string, (each: VersionFacts) => (Node | string)[]][] = [
    ["role", (each) => rolesOf(each).map((role) => h("span", { class: "chip strong" }, role))],
    ["measured", (each) => [Object.entries(each.metrics).slice(0, 2).map(([metric, value]) => `${translated(metric)} ${short(value)}`).join(", ")]],
    ["published", (each) => [each.created ? moment(each.created) : ""]],
  ];
  // What is told of no version needs no column.
  const told = columns.filter(([, cell]) => all.some((each) => cell(each).some((part) => part !== "")));
  const row = (each: VersionFacts): HTMLElement =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("a", { href: link(name, each.number) }, each.number)),
      ...told.map(([, cell]) => h("td", {}, ...cell(each))),
    );
  const head = ["version", ...told.map(([word]) => word)].map((word) => h("th", { scope: "col" }, word));
  const changes = (more?.history ?? []).slice(-5).reverse().map((change) => {
    const what = [change.action, change.alias, change.version === undefined ? "" : `→ ${change.version}`].filter(Boolean).join(" ");
    return h("li", {}, `${what}${change.by ? `, by ${change.by}` : ""}`, change.time ? h("span", { class: "faint" }, ` ${moment(change.time)}`) : null);
  });
  return h(
    "section",
    { class: "block", "aria-label": "Versions" },
    h("h2", {}, "Versions"),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "table of versions" },
      h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...all.map(row))),
    ),
    changes.length ? h("div", {}, h("h3", {}, "Changes"), h("ul", { class: "changes" }, ...changes)) : null,
  );
}

function moment(time: string | number): string {
  const date = new Date(typeof time === "number" ? time * 1000 : time);
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleString(language() === "zh" ? "zh" : undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
}
