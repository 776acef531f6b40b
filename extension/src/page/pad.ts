/** A small image, drawn by mouse, finger or keys. */

import { h } from "../panel/dom";

/** Return the image with a soft dot at a place, as a pen of some width leaves it. */
export function dotted(pixels: Float32Array, side: number, x: number, y: number, radius: number): void {
  for (let row = Math.max(0, Math.floor(y - radius - 1)); row < Math.min(side, y + radius + 1); row++) {
    for (let column = Math.max(0, Math.floor(x - radius - 1)); column < Math.min(side, x + radius + 1); column++) {
      const away = Math.hypot(column + 0.5 - x, row + 0.5 - y);
      const ink = Math.max(0, Math.min(1, radius + 0.5 - away));
      const place = row * side + column;
      pixels[place] = Math.max(pixels[place] ?? 0, ink);
    }
  }
}

export class Pad {
  readonly element: HTMLElement;
  readonly pixels: Float32Array;
  private canvas: HTMLCanvasElement;
  private cursor: [number, number];
  private last: [number, number] | null = null;

  constructor(
    private side: number,
    private changed: () => void,
  ) {
    this.pixels = new Float32Array(side * side);
    this.cursor = [Math.floor(side / 2), Math.floor(side / 2)];
    const size = side * Math.max(1, Math.round(320 / side));
    this.canvas = h("canvas", {
      width: size,
      height: size,
      tabindex: 0,
      role: "img",
      class: "pad",
      "aria-label": `Drawing pad of ${side} by ${side} pixels. Arrow keys move, the space bar draws, Delete wipes.`,
    });
    this.canvas.addEventListener("pointerdown", (event) => this.down(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerup", () => (this.last = null));
    this.canvas.addEventListener("pointercancel", () => (this.last = null));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("focus", () => this.draw());
    this.canvas.addEventListener("blur", () => this.draw());
    this.element = this.canvas;
    this.draw();
  }

  set(values: ArrayLike<number>): void {
    for (let place = 0; place < this.pixels.length; place++) {
      this.pixels[place] = Math.max(0, Math.min(1, values[place] ?? 0));
    }
    this.draw();
    this.changed();
  }

  draw(): void {
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const cell = this.canvas.width / this.side;
    for (let row = 0; row < this.side; row++) {
      for (let column = 0; column < this.side; column++) {
        const shade = Math.round(255 * (1 - (this.pixels[row * this.side + column] ?? 0)));
        context.fillStyle = `rgb(${shade}, ${shade}, ${shade})`;
        context.fillRect(column * cell, row * cell, cell, cell);
      }
    }
    if (this.canvas.matches(":focus-visible")) {
      context.strokeStyle = "#d55e00";
      context.lineWidth = 3;
      context.strokeRect(this.cursor[0] * cell + 2, this.cursor[1] * cell + 2, cell - 4, cell - 4);
    }
  }

  private get radius(): number {
    return Math.max(0.55, this.side / 24);
  }

  private at(event: PointerEvent): [number, number] {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.side,
      ((event.clientY - box.top) / box.height) * this.side,
    ];
  }

  private down(event: PointerEvent): void {
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    this.last = this.at(event);
    this.stroke(this.last);
  }

  private move(event: PointerEvent): void {
    if (this.last) this.stroke(this.at(event));
  }

  private stroke(to: [number, number]): void {
    const from = this.last ?? to;
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) * 3));
    for (let step = 0; step <= steps; step++) {
      const part = step / steps;
      const [x, y] = [from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part];
      dotted(this.pixels, this.side, x, y, this.radius);
    }
    this.last = to;
    this.draw();
    this.changed();
  }

  private key(event: KeyboardEvent): void {
    const [x, y] = this.cursor;
    const most = this.side - 1;
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [Math.max(0, x - 1), y],
      ArrowRight: [Math.min(most, x + 1), y],
      ArrowUp: [x, Math.max(0, y - 1)],
      ArrowDown: [x, Math.min(most, y + 1)],
    };
    const to = moves[event.key];
    if (to) this.cursor = to;
    else if (event.key === " " || event.key === "Enter") {
      dotted(this.pixels, this.side, x + 0.5, y + 0.5, this.radius);
      this.changed();
    } else if (event.key === "Delete" || event.key === "Backspace") this.set([]);
    else return;
    event.preventDefault();
    this.draw();
  }
}
