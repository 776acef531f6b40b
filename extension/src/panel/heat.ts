/** A heat map over training steps: a row a parameter, shaded by the size of its numbers. */

import { translated } from "../language/translating";
import { short, whole } from "./format";
import { h, setText } from "./dom";
import { coloursOf } from "./theme";
import type { Mark } from "./chart";

/** cividis (Nuñez, Anderton and Renslow 2018), which reads alike with every kind of sight: nine of its colours. */
const CIVIDIS: [number, number, number][] = [
  [0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115],
  [138, 134, 120], [165, 156, 116], [195, 179, 105], [254, 232, 56],
];

/** Return the colour of a share from 0 to 1. */
export function cividis(share: number): string {
  const place = Math.min(Math.max(share, 0), 1) * (CIVIDIS.length - 1);
  const low = Math.min(Math.floor(place), CIVIDIS.length - 2);
  const part = place - low;
  const channel = (i: 0 | 1 | 2): number =>
    Math.round((CIVIDIS[low]?.[i] ?? 0) * (1 - part) + (CIVIDIS[low + 1]?.[i] ?? 0) * part);
  return `rgb(${channel(0)},${channel(1)},${channel(2)})`;
}

const ROW = 16;

export class Heat {
  readonly element: HTMLElement;
  private canvas = h("canvas", {});
  private legend = h("div", { class: "mb-legend" });
  private readout = h("div", { class: "mb-readout" });
  private names: readonly string[] = [];
  private steps: readonly number[] = [];
  private rows: readonly number[][] = [];
  private marks: readonly Mark[] = [];
  private last = 1;
  private resize: ResizeObserver;

  constructor(label: string) {
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", translated(label));
    this.canvas.addEventListener("mousemove", (event) => this.point(event));
    this.canvas.addEventListener("mouseleave", () => setText(this.readout, ""));
    this.element = h("div", { class: "mb-heat" }, this.canvas, this.legend, this.readout);
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(this.element);
  }

  /** Draw `rows[time][parameter]`. */
  show(names: readonly string[], steps: readonly number[], rows: readonly number[][], last: number, marks: readonly Mark[]): void {
    this.names = names;
    this.steps = steps;
    this.rows = rows;
    this.last = Math.max(last, 1);
    this.marks = marks;
    this.draw();
  }

  destroy(): void {
    this.resize.disconnect();
  }

  private range(): [number, number] {
    let low = Infinity;
    let high = -Infinity;
    for (const row of this.rows) {
      for (const value of row) {
        if (value > 0 && Number.isFinite(value)) {
          low = Math.min(low, value);
          high = Math.max(high, value);
        }
      }
    }
    return low <= high ? [low, Math.max(high, low * 1.01)] : [0.1, 1];
  }

  private labels(width: number): number {
    return Math.min(150, width * 0.36);
  }

  draw(): void {
    const width = this.element.clientWidth;
    const height = this.names.length * ROW + 20;
    const ctx = this.canvas.getContext("2d");
    if (width < 40 || !ctx) return;
    const scale = devicePixelRatio || 1;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    this.canvas.style.height = `${height}px`;
    ctx.scale(scale, scale);
    const colours = coloursOf(this.element);
    const left = this.labels(width);
    const x = (step: number): number => left + ((width - left - 10) * step) / this.last;
    const [low, high] = this.range();
    const span = Math.log(high / low);
    this.rows.forEach((row, time) => {
      const from = x(this.steps[time - 1] ?? 0);
      const to = x(this.steps[time] ?? this.last);
      row.forEach((value, name) => {
        if (!(value > 0) || !Number.isFinite(value)) return;
        ctx.fillStyle = cividis(Math.log(value / low) / span);
        ctx.fillRect(from, name * ROW, Math.max(to - from, 1) + 0.5, ROW - 1);
      });
    });
    ctx.font = colours.font;
    ctx.fillStyle = colours.text;
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    this.names.forEach((name, row) => ctx.fillText(fitted(ctx, name, left - 8), left - 6, row * ROW + ROW / 2));
    ctx.fillStyle = colours.faint;
    ctx.textAlign = "left";
    ctx.fillText("0", left, height - 8);
    ctx.textAlign = "right";
    ctx.fillText(whole(this.last), width - 10, height - 8);
    ctx.strokeStyle = colours.mark;
    ctx.setLineDash([3, 3]);
    for (const mark of this.marks) {
      ctx.beginPath();
      ctx.moveTo(x(mark.step), 0);
      ctx.lineTo(x(mark.step), height - 18);
      ctx.stroke();
    }
    setText(this.legend, "");
    const bar = h("span", { class: "mb-scale", "aria-hidden": "true" });
    bar.style.background = `linear-gradient(to right, ${CIVIDIS.map((_, i) => cividis(i / 8)).join(",")})`;
    this.legend.replaceChildren(`${short(low)} `, bar, ` ${short(high)}`);
  }

  private point(event: MouseEvent): void {
    const width = this.element.clientWidth;
    const left = this.labels(width);
    const step = ((event.offsetX - left) / (width - left - 10)) * this.last;
    const time = this.steps.findIndex((each) => each >= step);
    const row = Math.floor(event.offsetY / ROW);
    const value = this.rows[time]?.[row];
    setText(
      this.readout,
      value === undefined ? "" : `${this.names[row] ?? ""} · step ${whole(this.steps[time] ?? 0)} · ${short(value)}`,
    );
  }
}

function fitted(ctx: CanvasRenderingContext2D, text: string, width: number): string {
  if (ctx.measureText(text).width <= width) return text;
  let start = 1;
  while (start < text.length && ctx.measureText(`…${text.slice(start)}`).width > width) start += 1;
  return `…${text.slice(start)}`;
}
