/** The buttons of a run: they only ask; what comes of it is told by the run's own events. */

import { translated } from "../language/translating";
import { h, newId, setText } from "./dom";
import { nextRate, rateText, typedRate, whole } from "./format";
import type { Store } from "./store";

const PATIENCE_MS = 3000;

export class Controls {
  readonly element: HTMLElement;
  readonly more: HTMLElement;
  private pause: HTMLButtonElement;
  private stop: HTMLButtonElement;
  private rate: HTMLInputElement;
  private lower: HTMLButtonElement;
  private higher: HTMLButtonElement;
  private keep: HTMLButtonElement;
  private fork: HTMLButtonElement;
  private back: HTMLButtonElement;
  private steps: HTMLSelectElement;
  private wrong = h("span", { class: "mb-wrong", id: newId() });
  private shown = "";
  private waitsUntil = 0;

  constructor(private store: Store) {
    const button = (words: string, about: string, press: () => void, kind = ""): HTMLButtonElement =>
      h("button", { type: "button", class: kind, title: about, click: press }, words);
    this.pause = button("Pause", "Stand still after the steps under way", () =>
      store.command(store.now?.status === "paused" ? "resume" : "pause"),
    );
    this.stop = button("Stop", "End the run; what was learnt stays", () => store.command("stop"), "mb-stop");
    const id = newId();
    this.rate = h("input", {
      id,
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      spellcheck: "false",
      "aria-describedby": this.wrong.id,
      keydown: (event) => this.key(event as KeyboardEvent),
      change: () => this.set(typedRate(this.rate.value)),
    });
    this.lower = button("−", "Lower the learning rate: 1, 2, 5, 10 ...", () => this.turn(false), "mb-turn");
    this.lower.setAttribute("aria-label", translated("Lower the learning rate"));
    this.higher = button("+", "Raise the learning rate: 1, 2, 5, 10 ...", () => this.turn(true), "mb-turn");
    this.higher.setAttribute("aria-label", translated("Raise the learning rate"));
    this.element = h(
      "div",
      { class: "mb-controls", role: "group", "aria-label": "Controls" },
      this.pause,
      this.stop,
      h("span", { class: "mb-rate" }, h("label", { for: id }, "learning rate"), this.lower, this.rate, this.higher),
      this.wrong,
    );
    this.keep = button("Checkpoint now", "Write the present state to the disk", () => store.command("checkpoint"));
    this.fork = button("Fork", "Train a copy on from the chosen state, in the background", () =>
      store.command("fork", this.chosen()),
    );
    this.back = button("Roll back", "Go back to the chosen state and train on from there", () => {
      const step = this.chosen();
      if (step !== null) store.command("rollback", step);
    });
    this.steps = h("select", { "aria-label": "State to roll back to or to fork from", focus: () => this.ask(), change: () => this.update() });
    this.more = h(
      "div",
      { class: "mb-controls", role: "group", "aria-label": "Checkpoints" },
      this.keep,
      h("label", { class: "mb-rate" }, "state", this.steps),
      this.back,
      this.fork,
    );
  }

  /** Ask the kernel which states there are. */
  ask(): void {
    this.store.send({ type: "steps" });
  }

  update(): void {
    const { now, gone } = this.store;
    const live = !gone && (now?.status === "running" || now?.status === "paused");
    setText(this.pause, now?.status === "paused" ? "Resume" : "Pause");
    for (const each of [this.pause, this.stop, this.lower, this.higher, this.rate, this.keep, this.fork]) {
      each.disabled = !live;
    }
    // What was asked for stays until the run has taken it up; a schedule may make another rate of it.
    const waits = Date.now() < this.waitsUntil && now?.lr != null && rateText(now.lr) !== this.shown;
    if (now?.lr && !waits && document.activeElement !== this.rate && this.shown !== rateText(now.lr)) {
      this.shown = rateText(now.lr);
      this.rate.value = this.shown;
    }
    const wanted = ["", ...this.store.steps.map(String).reverse()];
    const present = [...this.steps.options].map((option) => option.value);
    if (wanted.join() !== present.join()) {
      const before = this.steps.value;
      this.steps.replaceChildren(
        ...wanted.map((step) => h("option", { value: step }, step === "" ? "the present one" : `step ${whole(Number(step))}`)),
      );
      this.steps.value = wanted.includes(before) ? before : "";
    }
    this.steps.disabled = !live;
    this.back.disabled = !live || this.chosen() === null;
  }

  private chosen(): number | null {
    return this.steps.value === "" ? null : Number(this.steps.value);
  }

  private key(event: KeyboardEvent): void {
    if (event.key === "Enter") this.set(typedRate(this.rate.value));
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") this.turn(event.key === "ArrowUp");
    else if (event.key === "Escape") this.rate.value = this.shown;
    else {
      event.stopPropagation();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  private turn(up: boolean): void {
    const from = typedRate(this.rate.value) ?? this.store.now?.lr;
    if (from) {
      const next = nextRate(from, up);
      this.rate.value = rateText(next);
      this.set(next);
    }
  }

  private set(lr: number | null): void {
    const text = this.rate.value;
    this.rate.setAttribute("aria-invalid", String(lr === null));
    setText(this.wrong, lr === null ? `${text.trim() || "Nothing"} is no positive number; type one, as 0.001.` : "");
    if (lr === null || rateText(lr) === this.shown) return;
    this.shown = rateText(lr);
    this.waitsUntil = Date.now() + PATIENCE_MS;
    this.store.command("lr", lr);
  }
}
