/** One view of a run: head, controls, loss, metric, and the sections below. */

import { translated } from "../language/translating";
import { smoothed } from "./buckets";
import { Chart, type Mark } from "./chart";
import { Controls } from "./controls";
import { DataTable, h, newId, setText, table } from "./dom";
import { deed, duration, megabytes, short, whole } from "./format";
import type { Now } from "./protocol";
import { PublishSection } from "./publish";
import { ExampleSection, GradientSection, keyOf, LayerSection, NotesSection, RateSection, spread, type Section } from "./sections";
import type { Store } from "./store";
import { DASHES, isDark, onTheme } from "./theme";

const WORDS: Record<string, string> = {
  running: "training", paused: "paused", finished: "finished", stopped: "stopped", diverged: "diverged",
  failed: "failed", lost: "its kernel ended", elsewhere: "training in another kernel",
};
const SIGNS: Record<string, string> = { running: "●", paused: "❙❙", finished: "✓", stopped: "■", diverged: "▲", failed: "▲", lost: "○", elsewhere: "●" };

const WILD = 1e9;

export class View {
  readonly element: HTMLElement;
  private name = h("strong", { translate: "no" });
  private about = h("span", { class: "mb-faint" });
  private status = h("span", { class: "mb-status" });
  private bar = h("progress", { max: 1, value: 0, "aria-label": "progress" });
  private place = h("span", {});
  private answer = h("p", { class: "mb-answer", hidden: true });
  private announced = h("div", { class: "mb-quiet", role: "status" });
  private tiles = h("dl", { class: "mb-tiles" });
  private moreTiles = h("dl", { class: "mb-tiles" });
  private loss: Chart;
  private metric: Chart | null = null;
  private metricHost = h("div", { class: "mb-figure" });
  private readout = h("div", { class: "mb-readout" });
  private controls: Controls;
  private sections: Section[];
  private smoothing: HTMLInputElement;
  private log = h("input", { type: "checkbox", change: () => this.plan() });
  private all: HTMLButtonElement;
  private lossTable: DataTable;
  private planned = 0;
  private said = "";
  private ends: (() => void)[] = [];

  constructor(private store: Store) {
    this.controls = new Controls(store);
    this.loss = new Chart({
      label: "Loss by step. Arrow keys move, plus and minus zoom, 0 shows all; drag with the mouse to zoom.",
      height: 230,
      log: false,
      band: [2, 1],
      lines: [
        { label: "low", colour: (c) => c.training, hidden: true },
        { label: "high", colour: (c) => c.training, hidden: true },
        { label: "training", colour: (c) => c.training, width: 2 },
        { label: "validation", colour: (c) => c.validation, dash: DASHES[1] ?? [], points: true },
      ],
      onCursor: (step) => this.read(step),
      onZoom: (range) => this.zoomed(range),
    });
    this.smoothing = h("input", { type: "range", min: 0, max: 20, step: 1, value: 3, "aria-label": "smoothing, in percent of the steps", input: () => this.plan() });
    this.all = h("button", { type: "button", class: "mb-small", hidden: true, click: () => { this.loss.setZoom(null); this.zoomed(null); } }, "Show all");
    this.lossTable = new DataTable(() => this.lossRows());
    this.sections = [
      new RateSection(store, this.moreTiles),
      new GradientSection(store),
      new LayerSection(store),
      new ExampleSection(store),
      new NotesSection(store),
      new PublishSection(store),
    ];
    this.element = this.assemble();
    for (const each of this.sections) each.element.addEventListener("toggle", () => this.plan());
    this.ends = [store.watch(() => this.plan()), onTheme(() => this.theme())];
    requestAnimationFrame(() => this.theme());
  }

  destroy(): void {
    for (const end of this.ends) end();
    cancelAnimationFrame(this.planned);
    this.planned = 0;
    this.loss.destroy();
    this.metric?.destroy();
    for (const each of this.sections) each.destroy();
  }

  /** Return what the panel shows now as a picture and a line, or null before it shows anything. */
  snapshot(): { picture: string; words: string } | null {
    const { run, now } = this.store;
    const charts = [this.loss.canvas, this.metric?.canvas].filter((each) => each instanceof HTMLCanvasElement);
    if (!run || !now || !charts.length) return null;
    const gap = 16;
    const all = h("canvas", {
      width: charts.reduce((sum, each) => sum + each.width + gap, 0),
      height: Math.max(...charts.map((each) => each.height)),
    });
    const ctx = all.getContext("2d");
    if (!ctx) return null;
    ctx.fillStyle = getComputedStyle(this.element).backgroundColor;
    ctx.fillRect(0, 0, all.width, all.height);
    let left = 0;
    for (const each of charts) {
      ctx.drawImage(each, left, 0);
      left += each.width + gap;
    }
    const text = `${run.name} when this notebook was saved: ${WORDS[now.status] ?? now.status}, step ${whole(now.step)} of ${whole(run.steps)}. To see it as it is now: %maas panel ${run.name}`;
    return { picture: all.toDataURL("image/png"), words: translated(text) };
  }

  /** Draw soon, once, however much has come. */
  private plan(): void {
    if (this.planned) return;
    this.planned = requestAnimationFrame(() => {
      this.planned = 0;
      performance.mark("maasnb:begin");
      this.update();
      performance.measure("maasnb:draw", "maasnb:begin");
    });
  }

  private assemble(): HTMLElement {
    const more = h("details", { class: "mb-section", toggle: () => this.controls.ask() }, h("summary", {}, "Checkpoints, roll back, fork"), h("div", { class: "mb-body" }, this.controls.more));
    const title = newId();
    this.name.id = title;
    return h(
      "section",
      { class: "maasnb-panel", "aria-labelledby": title },
      h("header", {}, h("div", { class: "mb-title" }, this.name, this.status, this.about), h("div", { class: "mb-progress" }, this.bar, this.place)),
      this.controls.element,
      this.answer,
      this.announced,
      this.tiles,
      h(
        "div",
        { class: "mb-charts" },
        h(
          "div",
          { class: "mb-figure" },
          h("div", { class: "mb-head" }, h("h4", {}, "loss"), keyOf(translated("training"), "var(--mb-training)", []), keyOf(translated("validation"), "var(--mb-validation)", DASHES[1] ?? []), this.all),
          this.loss.element,
          this.readout,
          h("div", { class: "mb-options" }, h("label", {}, this.log, "log scale"), h("label", {}, "smoothing", this.smoothing), this.lossTable.element),
        ),
        this.metricHost,
      ),
      more,
      ...this.sections.map((each) => each.element),
    );
  }

  private theme(): void {
    this.element.classList.toggle("mb-dark", isDark(this.element.parentElement ?? this.element));
    this.loss.rebuild();
    this.metric?.rebuild();
    for (const each of this.sections) each.theme();
    this.plan();
  }

  private update(): void {
    const { run, now, gone } = this.store;
    if (!run || !now) {
      setText(this.name, translated(gone ? "The kernel is gone." : "Waiting for the kernel ..."));
      return;
    }
    this.head();
    this.controls.update();
    this.tell();
    this.tile();
    const marks = this.store.interventions.map(([step, action, value]) => ({ step, words: deed(action, value) }));
    this.drawLoss(marks);
    this.drawMetric(marks);
    this.lossTable.update();
    for (const each of this.sections) each.update(marks);
  }

  private head(): void {
    const { run, now, gone } = this.store;
    if (!run || !now) return;
    const status = gone && (now.status === "running" || now.status === "paused") ? "lost" : now.status;
    setText(this.name, run.name);
    const origin = run.origin ? translated(` · from ${run.origin.run}, step ${whole(run.origin.step)}`) : "";
    setText(this.about, `${run.data} · ${run.backend}${origin}`);
    setText(this.status, `${SIGNS[status] ?? ""} ${translated(WORDS[status] ?? status)}`);
    this.status.dataset["status"] = status;
    this.bar.max = Math.max(run.steps, 1);
    this.bar.value = now.step;
    const epoch = run.steps_per_epoch ? `epoch ${whole(Math.min(run.epochs, Math.floor(now.step / run.steps_per_epoch) + (now.step < run.steps ? 1 : 0)))} of ${whole(run.epochs)} · ` : "";
    setText(this.place, `${epoch}step ${whole(now.step)} of ${whole(run.steps)}`);
  }

  private tell(): void {
    const { answer, now, gone, free, run } = this.store;
    const words = gone
      ? "The kernel is gone. This is what the panel had; nothing can be changed any more."
      : answer
        ? answer.words
        : free === false && now?.status === "running"
          ? "Here buttons answer only while no cell runs. Train with --bg, or interrupt the kernel to stop."
          : ended(now);
    this.answer.hidden = !words;
    setText(this.answer, words);
    this.answer.classList.toggle("mb-bad", gone || answer?.good === false);
    const state = translated(WORDS[now?.status ?? ""] ?? "");
    const status = gone ? "The kernel is gone." : `${run?.name ?? translated("The run")}: ${state}. ${answer?.words ?? ""}`;
    if (status !== this.said) {
      this.said = status;
      setText(this.announced, status);
    }
  }

  private tile(): void {
    const { run, now, validated } = this.store;
    if (!run || !now) return;
    const seen = validated[validated.length - 1]?.[2] ?? {};
    const left = now.steps_s > 0 ? duration((run.steps - now.step) / now.steps_s) : "–";
    const done = now.status !== "running" && now.status !== "paused";
    fill(this.tiles, [
      ["training loss", short(now.loss)],
      ...["loss", ...run.metrics].filter((name) => name in seen).slice(0, 3).map((name): [string, string] => [`validation ${name}`, short(seen[name])]),
      ["time", duration(now.seconds)],
      ...(done ? [] : ([["left", left]] as [string, string][])),
    ]);
    fill(this.moreTiles, [
      ["learning rate", short(now.lr)],
      ["steps a second", now.steps_s ? short(now.steps_s) : "–"],
      ["examples a second", now.samples_s ? short(now.samples_s) : "–"],
      ["memory of the kernel", megabytes(now.memory)],
    ]);
  }

  private drawLoss(marks: readonly Mark[]): void {
    const { losses, detail, validated } = this.store;
    const zoom = this.loss.zoom;
    const inner = zoom && detail && detail.first <= zoom[0] && detail.last >= Math.min(zoom[1], losses.count) - 1 ? detail : null;
    const buckets = inner ? inner.buckets : losses;
    const share = Number(this.smoothing.value) / 100;
    // A loss that grew out of all proportion has a plain axis no more.
    const log = (this.loss.log = this.log.checked || buckets.high.some((value) => value > WILD && Number.isFinite(value)));
    const seen = (value: number): number | null => (Number.isFinite(value) && (!log || value > 0) ? value : null);
    const points = validated.filter((each) => typeof each[2]["loss"] === "number");
    this.loss.show(
      [
        { x: buckets.steps(inner?.first ?? 0), y: [buckets.low.map(seen), buckets.high.map(seen), smoothed(buckets.mean, share).map(seen)] },
        { x: points.map((each) => each[0]), y: [points.map((each) => seen(each[2]["loss"] ?? NaN))] },
      ],
      losses.count,
      marks,
    );
  }

  private drawMetric(marks: readonly Mark[]): void {
    const { run, validated, losses } = this.store;
    const name = run?.metrics.find((each) => validated.some((one) => typeof one[2][each] === "number"));
    if (!name) return;
    if (!this.metric) {
      this.metric = new Chart({
        label: `Validation ${name} by step. Arrow keys move, plus and minus zoom, 0 shows all.`,
        height: 230,
        log: false,
        lines: [{ label: name, colour: (c) => c.metric, points: true, width: 2 }],
        onCursor: (step) => {
          const at = this.store.validated.find((each) => each[0] === step);
          setText(read, at ? `step ${whole(at[0])} · ${name} ${short(at[2][name])}` : "");
        },
      });
      const read = h("div", { class: "mb-readout" });
      this.metricTable = new DataTable(() => table(`validation ${name}`, ["step", name], spread(this.store.validated.length).map((i) => {
        const each = this.store.validated[i];
        return [whole(each?.[0] ?? 0), short(each?.[2][name])];
      })));
      this.metricHost.replaceChildren(h("div", { class: "mb-head" }, h("h4", {}, `validation ${name}`)), this.metric.element, read, h("div", { class: "mb-options" }, this.metricTable.element));
    }
    const x = validated.map((each) => each[0]);
    this.metric.show([{ x, y: [validated.map((each) => each[2][name] ?? null)] }], losses.count, marks);
    this.metricTable?.update();
  }

  private metricTable: DataTable | null = null;

  private zoomed(range: [number, number] | null): void {
    this.all.hidden = range === null;
    if (range && this.store.losses.width > 1) {
      this.store.send({ type: "detail", first: Math.floor(range[0]), last: Math.ceil(range[1]) });
    } else this.store.detail = null;
    this.plan();
  }

  private read(step: number | null): void {
    if (step === null) {
      setText(this.readout, "");
      return;
    }
    const { losses, validated, run } = this.store;
    const bucket = Math.min(Math.ceil(step / losses.width) - 1, losses.mean.length - 1);
    const mean = losses.mean[bucket];
    const at = validated.find((each) => each[0] === step);
    const epoch = run?.steps_per_epoch ? ` (epoch ${(step / run.steps_per_epoch).toFixed(1)})` : "";
    setText(this.readout, `step ${whole(step)}${epoch} · training ${short(mean)}${at ? ` · validation ${short(at[2]["loss"])}` : ""}`);
  }

  private lossRows(): HTMLElement {
    const { losses, validated } = this.store;
    const steps = losses.steps();
    const rows = spread(steps.length).map((i) => {
      const step = steps[i] ?? 0;
      const before = steps[i - 1] ?? 0;
      const seen = validated.filter((each) => each[0] > before - losses.width && each[0] <= step).pop();
      return [whole(step), short(losses.mean[i]), short(losses.low[i]), short(losses.high[i]), seen ? short(seen[2]["loss"]) : ""];
    });
    return table("loss", ["step", "training", "lowest", "highest", "validation"], rows);
  }
}

/** Return why a run ended, and after a failure what to do next. */
function ended(now: Now | null): string {
  const reason = now?.reason ?? "";
  const next = "What was learnt before is kept. Mend the cause and run the cell again; run.result() shows where it failed.";
  return now?.status === "failed" ? `${translated(reason)}\n${translated(next)}` : reason;
}

/** Fill a list of names and values, changing only what differs. */
function fill(list: HTMLElement, pairs: readonly [string, string][]): void {
  const names = pairs.map((each) => each[0]).join();
  if (list.dataset["names"] !== names) {
    list.dataset["names"] = names;
    list.replaceChildren(...pairs.map(([name]) => h("div", {}, h("dt", {}, name), h("dd", {}))));
  }
  list.querySelectorAll("dd").forEach((value, i) => setText(value, pairs[i]?.[1] ?? ""));
}
