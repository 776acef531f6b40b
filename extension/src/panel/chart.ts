/** A chart over training steps: lines, a band, marks of what was changed; mouse and keyboard. */

import uPlot from "uplot";

import { translated } from "../language/translating";
import { h } from "./dom";
import { coloursOf, type Colours } from "./theme";

export interface Line {
  label: string;
  colour: (colours: Colours) => string;
  dash?: number[];
  width?: number;
  points?: boolean;
  hidden?: boolean;
  /** Whether a value holds from the point before it on. */
  stepped?: boolean;
}

export interface Series {
  x: number[];
  /** A row of y for each line, `null` or NaN for a gap. */
  y: (number | null)[][];
}

export interface Mark {
  step: number;
  words: string;
}

export interface ChartOptions {
  label: string;
  height: number;
  lines: Line[];
  /** Which two lines hold a band between them. */
  band?: [number, number];
  /** A healthy range of y, shaded. */
  healthy?: [number, number];
  log: boolean;
  onCursor?: (step: number | null) => void;
  onZoom?: (range: [number, number] | null) => void;
}

/** Steps between marks, up to what a float32 holds. */
const STEPS = Array.from({ length: 60 }, (_, k) => Number(`1e${k - 20}`));

/** Of more points than these in sight only the line is drawn. */
const MOST_DOTS = 120;

const stepped = uPlot.paths.stepped?.({ align: -1 }) as uPlot.Series.PathBuilder;

/** Words of a y axis: plain, and on a log axis few enough. */
function ticks(values: (number | null)[]): (string | null)[] {
  return values.map((value) => {
    if (value === null) return null;
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(1).replace("e+", "e").replace(".0e", "e");
    return String(Number(value.toPrecision(4)));
  });
}

/** Return powers of ten for a log axis: about eight at the most, and with 2 and 5 between where they are few. */
export function powers(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const stride = Math.max(1, Math.ceil((last - first) / 8));
  const between = last - first <= 2 ? [1, 2, 5] : [1];
  const found: number[] = [];
  for (let k = first; k <= last; k += stride) {
    for (const each of between) found.push(Number(`${each}e${k}`));
  }
  return found.filter((value) => value >= low * 0.999 && value <= high * 1.001);
}

function stepTicks(values: (number | null)[]): (string | null)[] {
  return values.map((value) => {
    if (value === null || !Number.isInteger(value)) return null;
    return value >= 10_000 ? `${Number((value / 1000).toPrecision(4))}k` : value.toLocaleString("en");
  });
}

export class Chart {
  readonly element: HTMLElement;
  zoom: [number, number] | null = null;
  private plot: uPlot | null = null;
  private data: uPlot.AlignedData = [[]];
  private marks: readonly Mark[] = [];
  private last = 1;
  private resize: ResizeObserver;

  constructor(private options: ChartOptions) {
    this.element = h("div", { class: "mb-chart", tabindex: 0, role: "group", "aria-label": options.label });
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(this.element);
  }

  get canvas(): HTMLCanvasElement | null {
    return this.plot?.ctx.canvas ?? null;
  }

  get log(): boolean {
    return this.options.log;
  }

  set log(log: boolean) {
    if (log !== this.options.log) {
      this.options.log = log;
      this.rebuild();
    }
  }

  /** Draw new data, up to step `last`; a zoom stays as it is. */
  show(tables: Series[], last: number, marks: readonly Mark[]): void {
    const whole = tables.reduce(merged);
    this.data = [whole.x, ...whole.y] as uPlot.AlignedData;
    this.last = Math.max(last, 1);
    this.marks = marks;
    if (!this.plot) this.rebuild();
    else {
      this.plot.batch(() => {
        this.plot?.setData(this.data, false);
        this.range();
      });
    }
  }

  /** Take the theme's colours again. */
  rebuild(): void {
    const width = this.element.clientWidth;
    this.plot?.destroy();
    this.plot = null;
    // What is not to be seen is drawn when its section is opened.
    if (width < 40 || this.element.closest("details:not([open])")) return;
    this.plot = new uPlot(this.settings(width), this.data, this.element);
    this.range();
  }

  setZoom(range: [number, number] | null): void {
    this.zoom = range;
    this.range();
  }

  destroy(): void {
    this.resize.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  private range(): void {
    const [min, max] = this.zoom ?? [0, this.last];
    this.plot?.setScale("x", { min, max: Math.max(max, min + 1) });
  }

  private fit(): void {
    const width = this.element.clientWidth;
    if (!this.plot) this.rebuild();
    else if (width >= 40 && width !== this.plot.width) {
      this.plot.setSize({ width, height: this.options.height });
    }
  }

  private choose(range: [number, number] | null): void {
    this.setZoom(range);
    this.options.onZoom?.(range);
  }

  private key(event: KeyboardEvent): void {
    const plot = this.plot;
    if (!plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const x = plot.data[0];
    const [from, to] = this.zoom ?? [0, this.last];
    const index = plot.cursor.idx ?? x.length - 1;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const stride = event.shiftKey ? 10 : 1;
      const next = Math.min(Math.max(index + (event.key === "ArrowLeft" ? -stride : stride), 0), x.length - 1);
      const at = x[next];
      if (at !== undefined) plot.setCursor({ left: plot.valToPos(at, "x"), top: plot.bbox.height / 2 / devicePixelRatio });
    } else if (event.key === "+" || event.key === "=") {
      const middle = x[index] ?? (from + to) / 2;
      const reach = Math.max((to - from) / 4, 1);
      this.choose([Math.max(middle - reach, 0), Math.min(middle + reach, this.last)]);
    } else if (event.key === "-") {
      const reach = to - from;
      const wide: [number, number] = [Math.max(from - reach / 2, 0), Math.min(to + reach / 2, this.last)];
      this.choose(wide[0] === 0 && wide[1] === this.last ? null : wide);
    } else if (event.key === "0" || event.key === "Escape") {
      this.choose(null);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private settings(width: number): uPlot.Options {
    const colours = coloursOf(this.element);
    const { lines, band, log } = this.options;
    const axis = { stroke: colours.faint, font: colours.font, ticks: { show: false }, grid: { stroke: colours.line, width: 1 } };
    return {
      width,
      height: this.options.height,
      legend: { show: false },
      padding: [14, 26, 0, 0],
      cursor: { drag: { x: true, y: false, setScale: false, dist: 6 }, points: { size: 7 }, y: false },
      scales: {
        x: { time: false, auto: false },
        y: log ? { distr: 3 } : { range: (_, low, high) => padded(low, high) },
      },
      axes: [
        { ...axis, values: (_, splits) => stepTicks(splits), size: 28 },
        {
          ...axis,
          values: (_, splits) => ticks(splits),
          size: 52,
          // uPlot's own steps end at 1e16, and without one that fits an axis has no marks at all.
          ...(log ? { incrs: STEPS, splits: (_: uPlot, __: number, low: number, high: number) => powers(low, high), filter: (_: uPlot, all: number[]) => all } : {}),
        },
      ],
      series: [
        {},
        ...lines.map((line) => ({
          label: line.label,
          stroke: line.hidden ? "transparent" : line.colour(colours),
          width: line.hidden ? 0 : (line.width ?? 1.8),
          dash: line.dash ?? [],
          spanGaps: true,
          ...(line.stepped ? { paths: stepped } : {}),
          points: line.points
            ? { show: (plot: uPlot, i: number, from: number, to: number) => dots(plot, i, from, to) <= MOST_DOTS, size: 6, fill: line.colour(colours), stroke: line.colour(colours) }
            : { show: false },
        })),
      ],
      ...(band ? { bands: [{ series: band, fill: `${colours.training}33` }] } : {}),
      hooks: {
        drawClear: [(plot) => this.drawHealthy(plot)],
        draw: [(plot) => this.drawMarks(plot, colours)],
        setCursor: [(plot) => this.options.onCursor?.(stepAt(plot))],
        setSelect: [(plot) => this.select(plot)],
        ready: [(plot) => plot.over.addEventListener("dblclick", () => this.choose(null))],
      },
    };
  }

  private select(plot: uPlot): void {
    if (plot.select.width < 6) return;
    const from = plot.posToVal(plot.select.left, "x");
    const to = plot.posToVal(plot.select.left + plot.select.width, "x");
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.choose([Math.max(from, 0), Math.min(to, this.last)]);
  }

  private drawHealthy(plot: uPlot): void {
    const { healthy } = this.options;
    if (!healthy) return;
    const { left, top, width, height } = plot.bbox;
    const y = (value: number): number =>
      Math.min(Math.max(plot.valToPos(value, "y", true), top), top + height);
    const [high, low] = [y(healthy[1]), y(healthy[0])];
    plot.ctx.fillStyle = `${coloursOf(this.element).metric}2e`;
    plot.ctx.fillRect(left, high, width, low - high);
  }

  private drawMarks(plot: uPlot, colours: Colours): void {
    const { ctx, bbox } = plot;
    const scale = devicePixelRatio;
    ctx.save();
    ctx.font = colours.font.replace(/^\d+/, String(Math.round(10 * scale)));
    ctx.strokeStyle = ctx.fillStyle = colours.mark;
    ctx.lineWidth = scale;
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    ctx.setLineDash([3 * scale, 3 * scale]);
    let free = -Infinity;
    for (const mark of this.marks) {
      const words = translated(mark.words);
      const x = plot.valToPos(mark.step, "x", true);
      if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const wide = ctx.measureText(words).width;
      const start = Math.min(x - 2 * scale, bbox.left + bbox.width - wide);
      if (start > free) {
        ctx.fillText(words, start, bbox.top - 3 * scale);
        free = start + wide + 6 * scale;
      }
    }
    ctx.restore();
  }
}

/** Return two series as one, with gaps where only the other has a point; both go from left to right. */
export function merged(a: Series, b: Series): Series {
  const x: number[] = [];
  const y: (number | null)[][] = [...a.y, ...b.y].map(() => []);
  let i = 0;
  let j = 0;
  while (i < a.x.length || j < b.x.length) {
    const left = a.x[i] ?? Infinity;
    const right = b.x[j] ?? Infinity;
    x.push(Math.min(left, right));
    a.y.forEach((row, k) => y[k]?.push(left <= right ? (row[i] ?? null) : null));
    b.y.forEach((row, k) => y[a.y.length + k]?.push(right <= left ? (row[j] ?? null) : null));
    if (left <= right) i += 1;
    if (right <= left) j += 1;
  }
  return { x, y };
}

/** Return how many points of a line are in sight. */
function dots(plot: uPlot, line: number, from: number, to: number): number {
  const row = plot.data[line] ?? [];
  let count = 0;
  for (let i = from; i <= to; i++) if (row[i] !== null && row[i] !== undefined) count += 1;
  return count;
}

function stepAt(plot: uPlot): number | null {
  const index = plot.cursor.idx;
  return index === null || index === undefined ? null : (plot.data[0][index] ?? null);
}

function padded(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const reach = high - low || Math.abs(high) || 1;
  const below = low >= 0 && low < reach * 0.5 ? 0 : low - reach * 0.08;
  return [below, high + reach * 0.06];
}
