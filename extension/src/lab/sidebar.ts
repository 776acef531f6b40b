/** The sidebar "Models": runs, models, endpoints and memory of the notebook in front. */

import { Notification } from "@jupyterlab/apputils";
import { Widget } from "@lumino/widgets";

import { h, setText } from "../panel/dom";
import { megabytes } from "../panel/format";
import { nextStep } from "./cells";
import type { Link } from "./link";
import type { Notebooks } from "./notebooks";
import { type Deeds, endpointRow, modelRow, RunView } from "./rows";
import { fitting, PROTOCOL, type State } from "./state";
import { trans } from "./words";

const FIRST = 30;
const MOST_COMPARED = 8;
const ID = "maasnb-sidebar";

/** What the sidebar has others do. */
export interface Actions {
  insert(sources: readonly string[]): void;
  newNotebook(): void;
  openRun(link: Link, run: string): void;
  compare(link: Link, runs: readonly string[]): void;
}

export class Sidebar extends Widget {
  private heading = h("div", { class: "maasnb-heading" });
  private told = h("p", { class: "maasnb-told", role: "status", hidden: true });
  private empty = h("div", { class: "maasnb-empty", hidden: true });
  private filter: HTMLInputElement;
  private runList = h("ul", { class: "maasnb-list" });
  private count = h("span", { class: "maasnb-facts" });
  private more: HTMLButtonElement;
  private compare: HTMLButtonElement;
  private modelList = h("ul", { class: "maasnb-list" });
  private endpointList = h("ul", { class: "maasnb-list" });
  private machine = h("p", { class: "maasnb-facts" });
  private sections: Record<"runs" | "models" | "endpoints" | "machine", HTMLElement>;
  private views = new Map<string, RunView>();
  private selected = new Set<string>();
  private link: Link | null = null;
  private limit = FIRST;
  private planned = 0;
  private drawn = "";
  private deeds: Deeds;

  constructor(private notebooks: Notebooks, private actions: Actions) {
    super();
    this.id = ID;
    this.addClass("maasnb-sidebar");
    this.node.setAttribute("role", "region");
    this.node.setAttribute("aria-label", trans.__("Models"));
    this.node.tabIndex = -1;
    this.deeds = this.makeDeeds();
    this.filter = h("input", { type: "search", class: "maasnb-filter", placeholder: trans.__("Filter runs"), "aria-label": trans.__("Filter runs"), input: () => { this.limit = FIRST; this.plan(); } });
    this.more = h("button", { type: "button", class: "maasnb-small", hidden: true, click: () => { this.limit += 4 * FIRST; this.plan(); } });
    this.compare = h("button", { type: "button", class: "maasnb-small", hidden: true, click: () => this.link && this.actions.compare(this.link, [...this.selected]) });
    const section = (title: string, ...children: HTMLElement[]): HTMLElement => h("section", { hidden: true }, h("h3", {}, title), ...children);
    this.sections = {
      runs: section(trans.__("Runs"), h("div", { class: "maasnb-line" }, this.filter, this.count, this.compare), this.runList, this.more),
      models: section(trans.__("Models in the kernel"), this.modelList),
      endpoints: section(trans.__("Endpoints"), this.endpointList),
      machine: section(trans.__("Devices and memory"), this.machine),
    };
    this.node.append(this.heading, this.told, this.empty, ...Object.values(this.sections));
    notebooks.watch((link) => {
      if (link === null || link === this.notebooks.current) this.plan();
    });
    this.plan();
  }

  protected override onAfterShow(): void {
    this.plan();
  }

  protected override onAfterHide(): void {
    this.link?.look(false);
  }

  private makeDeeds(): Deeds {
    return {
      command: (run, action) => this.link?.say({ type: "command", run, action }),
      open: (run) => this.link && this.actions.openRun(this.link, run),
      select: (run, on) => {
        if (on && this.selected.size < MOST_COMPARED) this.selected.add(run);
        else this.selected.delete(run);
        this.plan();
      },
      endpoint: (row, action, version) => this.link?.say({ type: "endpoint", variable: row.variable, action, version }),
      copy: (text, words) => {
        void navigator.clipboard.writeText(text).then(
          () => this.link?.answer(words, true),
          () => Notification.error(trans.__("This page may not write to the clipboard: %1", text)),
        );
      },
    };
  }

  /** Draw soon, once, however much has come; what nobody sees is drawn when it is shown. */
  private plan(): void {
    if (this.planned) return;
    this.planned = requestAnimationFrame(() => {
      this.planned = 0;
      if (!this.isDisposed && this.isVisible) this.draw();
    });
  }

  private draw(): void {
    const link = this.notebooks.current;
    if (link !== this.link) {
      this.link?.look(false);
      this.link = link;
      this.selected.clear();
      this.forget();
    }
    link?.look(true);
    const panel = this.notebooks.panel;
    const kernel = panel?.sessionContext.kernelDisplayName ?? "";
    setText(this.heading, panel ? `${panel.title.label.replace(/\.ipynb$/, "")} · ${kernel}` : "");
    const state = link?.state ?? null;
    this.updateTold(state);
    this.updateEmpty(state);
    const live = state?.mode === "live" ? state : null;
    if (!live && this.drawn) this.forget();
    this.updateRuns(live);
    this.updateTables(live);
  }

  private forget(): void {
    this.views.clear();
    for (const list of [this.runList, this.modelList, this.endpointList]) list.replaceChildren();
    this.drawn = "";
    this.limit = FIRST;
    this.filter.value = "";
  }

  private updateTold(state: State | null): void {
    const hindered = state ? hindrance(state) : "";
    const words = hindered || [state?.answer?.words, state && waiting(state)].filter(Boolean).join("\n");
    this.told.hidden = !words;
    setText(this.told, words);
    this.told.classList.toggle("maasnb-bad", Boolean(hindered) || state?.answer?.good === false);
  }

  private updateEmpty(state: State | null): void {
    const panel = this.notebooks.panel;
    const next = state ? nextStep(state) : null;
    const offer = !panel
      ? { words: trans.__("Open a notebook to see its runs, models and endpoints."), button: trans.__("New maasnb notebook"), act: () => this.actions.newNotebook() }
      : next && { words: next.words, button: next.button, act: () => this.actions.insert(next.sources) };
    const key = offer ? `${offer.words}${offer.button}` : state?.mode ?? "none";
    if (this.empty.dataset["key"] === key) return;
    this.empty.dataset["key"] = key;
    this.empty.hidden = !offer;
    this.empty.replaceChildren(...(offer ? [h("p", {}, offer.words), h("button", { type: "button", class: "maasnb-main", click: offer.act }, offer.button)] : []));
    if (state?.mode === "unloaded") {
      this.empty.append(h("p", { class: "maasnb-facts" }, trans.__("If it is loaded, it is older than this sidebar. Type: %pip install -U maasnb")));
    }
  }

  private updateRuns(state: State | null): void {
    this.sections.runs.hidden = !state?.runs.length;
    if (!state) return;
    const found = fitting(state.runs, this.filter.value);
    const shown = found.slice(0, this.limit);
    const names = new Set(shown.map((row) => row.name));
    for (const [name, view] of this.views) {
      if (!names.has(name)) {
        view.element.remove();
        this.views.delete(name);
      }
    }
    shown.forEach((row, place) => {
      const view = this.views.get(row.name) ?? new RunView(row.name, this.deeds);
      this.views.set(row.name, view);
      view.update(row);
      view.check.checked = this.selected.has(row.name);
      if (this.runList.children[place] !== view.element) this.runList.insertBefore(view.element, this.runList.children[place] ?? null);
    });
    setText(this.count, state.total > state.runs.length || found.length < state.runs.length ? trans.__("%1 of %2", found.length, state.total) : "");
    this.filter.hidden = state.runs.length < 6;
    this.more.hidden = found.length <= this.limit;
    setText(this.more, trans.__("Show more (%1)", found.length - shown.length));
    this.compare.hidden = this.selected.size < 2;
    setText(this.compare, trans.__("Compare %1 runs", this.selected.size));
  }

  private updateTables(state: State | null): void {
    this.sections.models.hidden = !state?.models.length;
    this.sections.endpoints.hidden = !state?.endpoints.length;
    this.sections.machine.hidden = !state;
    if (!state) return;
    const { kernel_mb, machine_mb } = state.memory;
    const devices = state.devices.map((each) => `${each.backend}: ${each.name} (${each.description})`);
    const memory = trans.__("The kernel holds %1 of %2.", megabytes(kernel_mb), megabytes(machine_mb));
    setText(this.machine, [memory, ...devices].join("\n"));
    const key = JSON.stringify([state.models, state.endpoints]);
    if (key === this.drawn) return;
    this.drawn = key;
    this.modelList.replaceChildren(...state.models.map(modelRow));
    this.endpointList.replaceChildren(...state.endpoints.map((row) => endpointRow(row, this.deeds)));
  }
}

/** Return what stands in the way between page and kernel, in words; empty where nothing does. */
export function hindrance(state: State): string {
  if (state.mode === "foreign") {
    return trans.__("This notebook's kernel speaks %1; maasnb needs Python.", state.language);
  }
  if (state.mode === "refused" && state.refusal) {
    const { protocol, version } = state.refusal;
    return protocol < PROTOCOL
      ? trans.__("The kernel's maasnb %1 is older than this sidebar. Type: %pip install -U maasnb and restart the kernel.", version)
      : trans.__("The kernel's maasnb %1 is newer than this sidebar. Upgrade maasnb where Jupyter runs, then load this page again.", version);
  }
  return state.mode === "dead" ? trans.__("The kernel has ended.") : "";
}

/** Return why buttons wait while a cell runs, in words; empty where they do not. */
export function waiting(state: State): string {
  if (state.mode !== "live" || !state.waits) return "";
  return state.waits === "kernel"
    ? trans.__("This kernel answers only between cells. Upgrade ipykernel to 7.1 or newer, or train with --bg.")
    : trans.__("Buttons wait for a running cell: in the settings, under Kernels, comms over subshells are disabled.");
}
