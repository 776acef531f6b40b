/** What a model is asked now: requests, errors, latencies and drift, drawn as they come. */

import uPlot from "uplot";

import { translated } from "../language/translating";
import { h, setText } from "../panel/dom";
import { short, whole } from "../panel/format";
import { coloursOf, DASHES, onTheme, type Colours } from "../panel/theme";
import { getIfThere } from "./api";

const EVERY_MS = 2000;
const KEPT = 150;
// As credit scoring has it: more than the first is a shift, more than the second a large one.
const SHIFT = 0.1;
const LARGE_SHIFT = 0.25;
const NOTHING: number[] = Array.from({ length: 60 }, () => 0);

interface LastMinute {
  requests?: number;
  errors?: number;
  requests_per_s?: number;
  p50_s?: number | null;
  p95_s?: number | null;
  p99_s?: number | null;
  requests_by_second?: number[];
  errors_by_second?: number[];
}

interface Feature {
  name: string;
  psi: number | null;
  ks?: number | null;
  ks_limit?: number | null;
}

interface Drift {
  rows?: number;
  inputs?: Feature[];
  labels?: { psi: number | null };
}

interface VersionStats {
  version: number | string;
  requests?: number;
  errors?: number;
  queued?: number;
  last_minute?: LastMinute;
  drift?: Drift | null;
}

interface Stats {
  uptime_s?: number;
  versions?: VersionStats[];
}

/** Return the sum of lists, place by place. */
export function summed(lists: (number[] | undefined)[]): number[] {
  const length = Math.max(0, ...lists.map((list) => list?.length ?? 0));
  return Array.from({ length }, (_, place) => lists.reduce((sum, list) => sum + (list?.[place] ?? 0), 0));
}

/** Return in words how far what is asked is from the training data, and whether that is far. */
export function driftInWords(drift: Drift | null | undefined): { words: string; far: boolean } | null {
  if (!drift?.rows) return null;
  const sure = (each: Feature): boolean => (each.ks ?? 0) > (each.ks_limit ?? Infinity);
  const features = (drift.inputs ?? []).filter((each) => each.psi !== null);
  const moved = features.filter((each) => sure(each) && (each.psi ?? 0) >= SHIFT).sort((a, b) => (b.psi ?? 0) - (a.psi ?? 0));
  const rows = `${whole(drift.rows)} rows`;
  const worst = moved[0];
  if (!worst) return { words: `what is asked is like the training data, as far as ${rows} can tell.`, far: false };
  const named = moved.slice(0, 3).map((each) => `${each.name} (PSI ${short(each.psi)})`);
  const more = moved.length > 3 ? ` and ${moved.length - 3} more` : "";
  const far = (worst.psi ?? 0) >= LARGE_SHIFT;
  return { words: `what is asked is ${far ? "far from" : "somewhat off"} the training data in ${named.join(", ")}${more}, by ${rows}.`, far };
}

interface Line {
  label: string;
  colour: (colours: Colours) => string;
  dash: number[];
}

class TimeChart {
  readonly element: HTMLElement;
  private plot: uPlot | null = null;
  private data: uPlot.AlignedData = [[]];
  private watch: ResizeObserver;

  constructor(
    title: string,
    private unit: string,
    private lines: Line[],
  ) {
    const legend = lines.map((line, number) => h("li", { class: `key key-${number}` }, line.label));
    const place = h("div", { class: "plot" });
    this.element = h(
      "figure",
      { class: "chart", role: "group", "aria-label": title },
      h("figcaption", {}, h("span", {}, title), lines.length > 1 ? h("ul", {}, ...legend) : null),
      place,
    );
    this.place = place;
    this.watch = new ResizeObserver(() => this.rebuild());
    this.watch.observe(place);
  }

  private place: HTMLElement;

  show(data: uPlot.AlignedData): void {
    this.data = data;
    if (this.plot) this.plot.setData(data);
    else this.rebuild();
  }

  rebuild(): void {
    const width = this.place.clientWidth;
    if (this.plot && width === this.plot.width) return;
    this.draw(width);
  }

  repaint(): void {
    this.draw(this.place.clientWidth);
  }

  destroy(): void {
    this.watch.disconnect();
    this.plot?.destroy();
  }

  private draw(width: number): void {
    this.plot?.destroy();
    this.plot = null;
    if (width < 60 || !this.data[0]?.length) return;
    const colours = coloursOf(this.place);
    const axis = { stroke: colours.faint, font: colours.font, ticks: { show: false }, grid: { stroke: colours.line, width: 1 } };
    const settings: uPlot.Options = {
      width,
      height: 150,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 12, 0, 0],
      scales: { x: { time: false, range: (_, least) => [Math.min(least ?? 0, -59), 0] }, y: { range: (_, __, most) => [0, Math.max(most * 1.15, this.unit === "ms" ? 1 : 4)] } },
      axes: [
        { ...axis, size: 26, values: (_, at) => at.map((value) => (value === 0 ? translated("now") : `${value} s`)) },
        { ...axis, size: 46, values: (_, at) => at.map((value) => short(value)) },
      ],
      series: [
        {},
        ...this.lines.map((line) => ({
          stroke: line.colour(colours),
          width: 1.8,
          dash: line.dash,
          points: { show: false },
        })),
      ],
    };
    this.plot = new uPlot(settings, this.data, this.place);
  }
}

export class Live {
  readonly element: HTMLElement;
  private tiles: Record<string, HTMLElement> = {};
  private traffic = new TimeChart("Requests a second, last minute", "", [
    { label: "requests", colour: (colours) => colours.training, dash: [] },
    { label: "errors", colour: (colours) => colours.validation, dash: DASHES[1] ?? [] },
  ]);
  private latency = new TimeChart("Latency, milliseconds", "ms", [
    { label: "p50", colour: (colours) => colours.training, dash: [] },
    { label: "p95", colour: (colours) => colours.metric, dash: DASHES[1] ?? [] },
    { label: "p99", colour: (colours) => colours.validation, dash: DASHES[2] ?? [] },
  ]);
  private drift = h("div", { class: "drift", role: "status" });
  private told = "";
  private body: HTMLElement;
  private kept: { at: number; values: (number | null)[] }[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private ended = false;
  private unwatch: () => void;

  constructor(
    private name: string,
    private version: string | null,
  ) {
    const named: [string, string][] = [
      ["rate", "requests/s"],
      ["p50", "p50"],
      ["p95", "p95"],
      ["p99", "p99"],
      ["requests", "requests"],
      ["errors", "errors"],
      ["queued", "waiting"],
    ];
    const tiles = named.map(([key, words]) => {
      const value = h("dd", {}, "–");
      this.tiles[key] = value;
      return h("div", { class: "tile" }, h("dt", {}, words), value);
    });
    this.body = h("div", {}, h("dl", { class: "tiles" }, ...tiles), h("div", { class: "charts" }, this.traffic.element, this.latency.element), this.drift);
    this.element = h("section", { class: "block live", "aria-label": "Live", hidden: true }, h("h2", {}, "Live"), this.body);
    this.unwatch = onTheme(() => {
      this.traffic.repaint();
      this.latency.repaint();
    });
    void this.poll();
  }

  end(): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.unwatch();
    this.traffic.destroy();
    this.latency.destroy();
  }

  private async poll(): Promise<void> {
    if (!document.hidden) {
      try {
        const stats = await getIfThere<Stats>(`maas/v1/models/${encodeURIComponent(this.name)}/stats`);
        if (this.ended || stats === null) return; // this server does not count
        this.element.hidden = false;
        this.show((stats.versions ?? []).filter((each) => this.version === null || String(each.version) === this.version));
      } catch {
        // The next look may find it again.
      }
    }
    if (!this.ended) this.timer = setTimeout(() => void this.poll(), EVERY_MS);
  }

  private show(versions: VersionStats[]): void {
    const minutes = versions.map((each) => each.last_minute ?? {});
    const sum = (values: (number | undefined)[]): number => values.reduce<number>((a, b) => a + (b ?? 0), 0);
    // Of several versions the busiest tells the latency: quantiles cannot be added.
    const busiest = [...minutes].sort((a, b) => (b.requests ?? 0) - (a.requests ?? 0))[0] ?? {};
    const quantiles = [busiest.p50_s, busiest.p95_s, busiest.p99_s].map((each) => (each === null || each === undefined ? null : each * 1000));
    const words: Record<string, string> = {
      rate: short(sum(minutes.map((each) => each.requests_per_s))),
      requests: whole(sum(versions.map((each) => each.requests))),
      errors: whole(sum(versions.map((each) => each.errors))),
      queued: whole(sum(versions.map((each) => each.queued))),
    };
    ["p50", "p95", "p99"].forEach((name, place) => {
      const value = quantiles[place] ?? null;
      words[name] = value === null ? "–" : `${short(Number(value.toPrecision(2)))} ms`;
    });
    for (const [key, element] of Object.entries(this.tiles)) setText(element, words[key] ?? "–");
    this.tiles["errors"]?.classList.toggle("bad", words["errors"] !== "0");
    // A model that nobody has asked yet has a minute of nothing.
    const requests = summed([...minutes.map((each) => each.requests_by_second), NOTHING]);
    const errors = summed(minutes.map((each) => each.errors_by_second));
    const seconds = requests.map((_, place) => place - requests.length + 1);
    this.traffic.show([seconds, requests, errors.length ? errors : requests.map(() => 0)]);
    const now = performance.now() / 1000;
    this.kept.push({ at: now, values: quantiles });
    this.kept = this.kept.slice(-KEPT);
    const x = this.kept.map((each) => Math.round(each.at - now) || 0);
    this.latency.show([x, ...[0, 1, 2].map((line) => this.kept.map((each) => each.values[line] ?? null))] as uPlot.AlignedData);
    this.tellDrift(versions);
  }

  private tellDrift(versions: VersionStats[]): void {
    const lines = versions.flatMap(({ version, drift }) => {
      const found = driftInWords(drift);
      return found ? [h("p", { class: found.far ? "finding bad" : "finding" }, `Version ${version}: ${found.words}`)] : [];
    });
    // Not anew where nothing changed, so that a selection stays.
    const told = lines.map((line) => line.textContent).join("\n");
    if (told !== this.told) this.drift.replaceChildren(...lines);
    this.told = told;
  }
}
