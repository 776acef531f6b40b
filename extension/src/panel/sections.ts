/** The parts below the loss, closed at first: each knows how to draw itself when it is open. */

import { translated } from "../language/translating";
import { Chart, type Mark } from "./chart";
import { DataTable, h, setText, table } from "./dom";
import { short, whole } from "./format";
import { Heat } from "./heat";
import type { Store } from "./store";
import { DASHES } from "./theme";

const HEALTHY: [number, number] = [1e-4, 1e-2];
const MOST_LINES = 7;
const MOST_ROWS = 40;
const FINDINGS_MS = 4000;
const MOST_TRIES = 8;

export interface Section {
  element: HTMLDetailsElement;
  update(marks: readonly Mark[]): void;
  theme(): void;
  destroy(): void;
}

function details(title: string, ...children: HTMLElement[]): HTMLDetailsElement {
  return h("details", { class: "mb-section" }, h("summary", {}, title), h("div", { class: "mb-body" }, ...children));
}

/** Return at most `MOST_ROWS` of the numbers below `count`, evenly spaced, the last one included. */
export function spread(count: number, most = MOST_ROWS): number[] {
  const stride = Math.max(1, Math.ceil(count / most));
  const found: number[] = [];
  for (let i = count - 1; i >= 0; i -= stride) found.push(i);
  return found.reverse();
}

export class RateSection implements Section {
  element: HTMLDetailsElement;
  private chart: Chart;
  private table: DataTable;

  constructor(private store: Store, tiles: HTMLElement) {
    this.chart = new Chart({
      label: "Learning rate by step. Arrow keys move, plus and minus zoom, 0 shows all.",
      height: 130,
      lines: [{ label: "learning rate", colour: (c) => c.training, stepped: true }],
      log: true,
    });
    this.table = new DataTable(() =>
      table("learning rate", ["step", "learning rate"], spread(store.rates.length).map((i) => {
        const [step, lr] = store.rates[i] ?? [0, 0];
        return [whole(step), short(lr)];
      })),
    );
    this.element = details("Learning rate, speed and memory", tiles, h("h4", {}, "learning rate"), this.chart.element, this.table.element);
  }

  update(marks: readonly Mark[]): void {
    if (!this.element.open) return;
    const rates = this.store.rates.filter(([, lr]) => lr > 0);
    const last = Math.max(this.store.losses.count, this.store.now?.step ?? 0);
    this.chart.show([{ x: rates.map((each) => each[0]), y: [rates.map((each) => each[1])] }], last, marks);
    this.table.update();
  }

  theme(): void {
    this.chart.rebuild();
  }

  destroy(): void {
    this.chart.destroy();
  }
}

export class GradientSection implements Section {
  element: HTMLDetailsElement;
  private heat = new Heat("Gradient norm by parameter over the steps");
  private ratioHeat = new Heat("Update over weight by parameter over the steps");
  private ratios: Chart | null = null;
  private host = h("div", {});
  private key = h("div", { class: "mb-key" });
  private verdict = h("p", { class: "mb-verdict" });
  private table: DataTable;

  constructor(private store: Store) {
    this.table = new DataTable(() => {
      const { norms, ratios, steps } = store.measured;
      const at = steps.length - 1;
      return table(`step ${whole(steps[at] ?? 0)}`, ["parameter", "gradient norm", "update / weight"],
        store.parameters.map((name, i) => [name, short(norms[at]?.[i]), short(ratios[at]?.[i])]));
    });
    this.element = details(
      "Gradient flow",
      h("h4", {}, "gradient norm, layer by layer"),
      this.heat.element,
      h("h4", {}, "update / weight, and its healthy band"),
      this.verdict,
      this.host,
      this.key,
      this.table.element,
    );
  }

  update(marks: readonly Mark[]): void {
    if (!this.element.open) return;
    const { parameters, measured, losses } = this.store;
    const last = Math.max(losses.count, 1);
    this.heat.show(parameters, measured.steps, measured.norms, last, marks);
    setText(this.verdict, verdict(parameters, measured.ratios[measured.ratios.length - 1] ?? []));
    if (parameters.length > MOST_LINES) {
      if (!this.ratioHeat.element.isConnected) this.host.replaceChildren(this.ratioHeat.element);
      this.ratioHeat.show(parameters, measured.steps, measured.ratios, last, marks);
    } else if (parameters.length) {
      const chart = this.lines(parameters);
      const y = parameters.map((_, i) =>
        measured.ratios.map((row) => { const value = row[i]; return value && value > 0 && Number.isFinite(value) ? value : null; }));
      chart.show([{ x: measured.steps, y }], last, marks);
    }
    this.table.update();
  }

  theme(): void {
    this.heat.draw();
    this.ratioHeat.draw();
    this.ratios?.rebuild();
  }

  destroy(): void {
    this.heat.destroy();
    this.ratioHeat.destroy();
    this.ratios?.destroy();
  }

  private lines(parameters: readonly string[]): Chart {
    if (!this.ratios) {
      this.ratios = new Chart({
        label: "Update over weight by step, with the healthy band from 0.0001 to 0.01.",
        height: 170,
        healthy: HEALTHY,
        log: true,
        lines: parameters.map((name, i) => ({
          label: name,
          colour: (c) => c.series[i % c.series.length] ?? c.text,
          dash: DASHES[i % DASHES.length] ?? [],
          width: 1.5,
        })),
      });
      this.host.replaceChildren(this.ratios.element);
      this.key.replaceChildren(...parameters.map((name, i) => keyOf(name, `var(--mb-series-${(i % 7) + 1})`, DASHES[i % DASHES.length] ?? [])));
    }
    return this.ratios;
  }
}

/** A piece of a line as it is drawn, and its name, which is shown as it is. */
export function keyOf(name: string, colour: string, dash: readonly number[]): HTMLElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("width", "26");
  svg.setAttribute("height", "8");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [key, value] of Object.entries({ x1: 0, x2: 26, y1: 4, y2: 4, "stroke-width": 2 })) line.setAttribute(key, String(value));
  line.style.stroke = colour;
  line.setAttribute("stroke-dasharray", dash.join(" "));
  svg.append(line);
  return h("span", { class: "mb-keyed", translate: "no" }, svg, name);
}

/** Say in words what the newest ratios show. */
export function verdict(names: readonly string[], ratios: readonly number[]): string {
  const [low, high] = HEALTHY;
  const of = (test: (ratio: number) => boolean): string[] => names.filter((_, i) => test(ratios[i] ?? NaN));
  const still = of((ratio) => ratio === 0);
  const slow = of((ratio) => ratio > 0 && ratio < low);
  const fast = of((ratio) => ratio > high);
  const some = (list: string[]): string => (list.length > 3 ? `${list.slice(0, 3).join(", ")} and ${list.length - 3} more` : list.join(", "));
  const words: string[] = [];
  if (fast.length) words.push(`Updates of ${some(fast)} are above 0.01 of the weights: try a smaller learning rate.`);
  if (slow.length) words.push(`Updates of ${some(slow)} are below 0.0001 of the weights: they hardly learn.`);
  if (still.length) words.push(`${some(still)} did not change at all.`);
  if (!words.length && ratios.length) words.push("All updates are between 0.0001 and 0.01 of the weights, which is healthy.");
  return words.join(" ");
}

export class LayerSection implements Section {
  element: HTMLDetailsElement;
  private choice: HTMLSelectElement;
  private host = h("div", { class: "mb-bars" });
  private asked = 0;
  private tries = 0;

  constructor(private store: Store) {
    this.choice = h("select", { change: () => this.ask() });
    this.element = details("Inside a layer", h("label", { class: "mb-rate" }, "layer", this.choice), this.host);
    this.element.hidden = true;
    this.element.addEventListener("toggle", () => this.ask());
  }

  update(): void {
    const told = this.store.histograms;
    const layers = told?.layers ?? [];
    this.element.hidden = layers.length === 0;
    const wait = Date.now() - this.asked;
    const live = this.store.now?.status === "running";
    // Until there are some, but not for ever: a run may be told to measure none.
    if (told === null || (!layers.length && wait > 1500 && this.tries < MOST_TRIES)) this.ask();
    else if (this.element.open && live && wait > 1000) this.ask();
    if (!this.element.open || !told) return;
    if (layers.join() !== [...this.choice.options].map((each) => each.value).join()) {
      this.choice.replaceChildren(...layers.map((name) => h("option", { value: name }, name)));
      this.choice.value = told.layer ?? "";
    }
    const counts = Object.entries(told.counts ?? {});
    this.host.replaceChildren(...counts.map(([kind, bars]) => histogram(kind, bars, told.low ?? -24)), ...activationRows(told.activations ?? {}));
  }

  private ask(): void {
    this.asked = Date.now();
    this.tries += 1;
    if (!this.store.gone) this.store.send({ type: "histograms", layer: this.choice.value });
  }

  theme(): void {}
  destroy(): void {}
}

function histogram(kind: string, counts: readonly number[], low: number): HTMLElement {
  const most = Math.max(...counts, 1);
  const all = counts.reduce((sum, count) => sum + count, 0) || 1;
  const bars = counts.map((count, i) => {
    const bar = h("i", { title: `${i === 0 ? "below" : "from"} ${short(2 ** (low + Math.max(i - 1, 0)))}: ${((100 * count) / all).toFixed(1)} %` });
    bar.style.height = `${(100 * count) / most}%`;
    return bar;
  });
  const ends = h("div", { class: "mb-ends", "aria-hidden": "true" }, h("span", {}, short(2 ** low)), h("span", {}, "size"), h("span", {}, short(2 ** (low + counts.length - 2))));
  const rows = counts.map((count, i) => [i === 0 ? `below ${short(2 ** low)}` : `from ${short(2 ** (low + i - 1))}`, whole(count)]).filter((row) => row[1] !== "0");
  return h("figure", {}, h("figcaption", {}, `${kind}s`), h("div", { class: "mb-histogram", role: "img", "aria-label": `sizes of the ${kind}s` }, ...bars), ends, new DataTable(() => table(`${kind}s`, ["size", "count"], rows)).element);
}

function activationRows(activations: Record<string, Record<string, number>>): HTMLElement[] {
  const names = Object.keys(activations);
  if (!names.length) return [];
  const share = (value: number | undefined): string => (value === undefined ? "–" : `${(100 * value).toFixed(0)} %`);
  return [
    h("div", { class: "mb-scroll" }, table("activations", ["layer", "mean", "std", "zeros", "dead units", "saturated"], names.map((name) => {
      const each = activations[name] ?? {};
      return [name, short(each["mean"]), short(each["std"]), share(each["zero"]), share(each["dead"]), share(each["saturated"])];
    }))),
  ];
}

export class NotesSection implements Section {
  element: HTMLDetailsElement;
  private list = h("ul", { class: "mb-notes" });
  private title: HTMLElement;
  private asked = 0;
  private ended = false;

  constructor(private store: Store) {
    this.element = details("Findings and changes", this.list);
    this.title = this.element.querySelector("summary") as HTMLElement;
  }

  update(marks: readonly Mark[]): void {
    const { warnings, findings } = this.store;
    this.ask();
    const words = [
      findings.length ? `${findings.length} finding${findings.length > 1 ? "s" : ""}` : "",
      warnings.length ? `${warnings.length} note${warnings.length > 1 ? "s" : ""}` : "",
      marks.length ? `${marks.length} change${marks.length > 1 ? "s" : ""} by hand` : "",
    ].filter(Boolean);
    const said = words.map(translated).join(", ");
    setText(this.title, said ? `Findings and changes: ${said}` : "Findings and changes: none");
    if (!this.element.open) return;
    const rows = [
      ...findings.map((each) => h("li", { class: `mb-${each.severity}` }, h("strong", {}, each.title), ` ${each.words}`)),
      ...warnings.map(([step, message]) => h("li", {}, `step ${whole(step)}: ${message}`)),
      ...this.store.interventions.map(([step, action, value, source]) =>
        h("li", {}, `step ${whole(step)}: ${action === "lr" ? `learning rate set to ${short(Number(value))}` : deedWords(action, value)}, by ${source}`)),
    ];
    this.list.replaceChildren(...(rows.length ? rows : [h("li", {}, "Nothing so far.")]));
  }

  /** Ask what is wrong every few seconds while the run trains, and once when it has ended. */
  private ask(): void {
    const { gone, now } = this.store;
    const over = now?.status !== "running" && now?.status !== "paused";
    if (gone || (over ? this.ended : Date.now() - this.asked < FINDINGS_MS)) return;
    this.asked = Date.now();
    this.ended = over;
    this.store.send({ type: "findings" });
  }

  theme(): void {}
  destroy(): void {}
}

function deedWords(action: string, value: number | string | null): string {
  if (action === "rollback" || action === "fork") return `${action} from step ${whole(Number(value))}`;
  return action;
}

export class ExampleSection implements Section {
  element: HTMLDetailsElement;
  private host = h("div", { class: "mb-examples" });
  private drawn: unknown = null;

  constructor(private store: Store) {
    const again = h("button", { type: "button", click: () => this.ask() }, "Look again");
    this.element = details("Hardest examples", this.host, again);
    this.element.hidden = true;
    this.element.addEventListener("toggle", () => this.ask());
  }

  update(): void {
    const told = this.store.examples;
    if (told === null && this.store.validated.length) {
      this.store.examples = { rows: [], pictures: [] };
      this.ask();
    }
    this.element.hidden = !told?.rows.length;
    if (!this.element.open || !told || this.drawn === told) return;
    this.drawn = told;
    let picture = 0;
    this.host.replaceChildren(...told.rows.map((row) => {
      const shown = row.size ? pixels(told.pictures[picture++], row.size, `example ${row.number}`) : h("span", {}, row.words ?? "");
      const title = `example ${row.number}, seen ${row.seen} times`;
      return h("figure", { title }, shown, h("figcaption", {}, `${row.target} · loss ${short(row.loss)}`));
    }));
  }

  private ask(): void {
    if (!this.store.gone) this.store.send({ type: "examples" });
  }

  theme(): void {}
  destroy(): void {}
}

function pixels(buffer: DataView | undefined, [width, height]: [number, number], label: string): HTMLElement {
  const canvas = h("canvas", { width, height, role: "img", "aria-label": label });
  const ctx = canvas.getContext("2d");
  if (ctx && buffer) {
    const image = ctx.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      const value = buffer.getUint8(i);
      image.data.set([value, value, value, 255], i * 4);
    }
    ctx.putImageData(image, 0, 0);
  }
  return canvas;
}
