/** The try-it form of a model that answers: made from its signature, filled with an example. */

import { h, setText } from "../panel/dom";
import { shown, type Answer } from "./answer";
import { address, Failure, post } from "./api";
import { Curl } from "./curl";
import { imageSide, modelPath, type Metadata } from "./model";
import { Pad } from "./pad";

const MOST_FIELDS = 120;
const WAIT_MS = 150;

/** What a form's inputs are now: the values of one example, flat; null while some cannot be used. */
type Values = (number | boolean | string | null)[] | null;

interface Inputs {
  element: HTMLElement;
  values: () => Values;
}

export class Form {
  readonly element: HTMLElement;
  private out = h("div", { class: "answer", "aria-live": "polite" }, h("p", { class: "faint" }, "The answer comes here."));
  private note = h("p", { class: "faint note" });
  private curl = new Curl();
  private inputs: Inputs;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private turn = 0;

  constructor(
    private model: Metadata,
    private version: string | null,
  ) {
    this.inputs = this.made();
    const submit = (event: Event): void => {
      event.preventDefault();
      void this.ask(true);
    };
    this.element = h(
      "div",
      { class: "try" },
      h("form", { submit, novalidate: true, "aria-label": "Try it" }, this.inputs.element),
      h("div", { class: "said" }, this.out, this.note, this.curl.element),
    );
    void this.ask(false);
  }

  private get tensor(): Metadata["inputs"][number] {
    return this.model.inputs[0] ?? { name: "x", datatype: "FP32", shape: [-1, 1] };
  }

  private made(): Inputs {
    const changed = (): void => this.later();
    const size = this.tensor.shape.slice(1).reduce((a, b) => a * Math.max(b, 1), 1);
    const side = imageSide(this.model);
    const { example, features, gaps } = this.model.parameters ?? {};
    const names = features?.length === size ? features.map(String) : Array.from({ length: size }, (_, n) => `x[${n}]`);
    if (this.tensor.datatype === "BYTES") {
      if (this.tensor.shape.length < 2) return textInputs(String(example?.[0] ?? ""), changed);
      return cellInputs(names, (example ?? []).map(String), changed);
    }
    const given = (example ?? []).map((value) => (value === null ? NaN : Number(value)));
    const whole = !this.tensor.datatype.startsWith("FP");
    if (side) return padInputs(side, given, whole, changed);
    if (size <= MOST_FIELDS) return numberInputs(names, given, this.tensor.datatype, changed, gaps === true);
    return listInputs(size, given, changed, gaps === true);
  }

  private later(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(false), WAIT_MS);
  }

  private async ask(asked: boolean): Promise<void> {
    const values = this.inputs.values();
    if (values === null) {
      if (asked) this.fail("Some values cannot be used: they are marked.");
      return;
    }
    const { name, datatype, shape } = this.tensor;
    const sizes = [1, ...shape.slice(1).map((size) => Math.max(size, 1))];
    const body = JSON.stringify({ inputs: [{ name, datatype, shape: sizes, data: values }] });
    const path = `${modelPath(this.model.name, this.version)}/infer`;
    this.curl.show(address(path), body);
    const turn = ++this.turn;
    const began = performance.now();
    try {
      const answer = await post<Answer>(path, body);
      if (turn !== this.turn) return;
      const took = Math.max(1, Math.round(performance.now() - began));
      this.out.replaceChildren(shown(answer, (this.model.parameters?.labels ?? []).map(String)));
      this.out.classList.remove("bad");
      setText(this.note, `version ${answer.model_version ?? "?"}, ${took} ms`);
    } catch (error) {
      if (turn !== this.turn) return;
      this.fail(error instanceof Failure ? error.message : String(error));
    }
  }

  private fail(words: string): void {
    this.out.replaceChildren(h("p", {}, words));
    this.out.classList.add("bad");
    this.note.textContent = "";
  }
}

function textInputs(example: string, changed: () => void): Inputs {
  const area = h("textarea", { rows: 5, spellcheck: "false", input: changed });
  area.value = example;
  return { element: h("label", { class: "field wide" }, h("span", {}, "text"), area), values: () => [area.value] };
}

/** A field for each column of a table; an empty one is a missing value. */
function cellInputs(names: string[], example: string[], changed: () => void): Inputs {
  const fields = names.map((name, number) => {
    const input = h("input", { type: "text", autocomplete: "off", spellcheck: "false", input: changed });
    input.value = example[number] ?? "";
    return { input, label: h("label", { class: "field" }, h("span", { title: name, translate: "no" }, name), input) };
  });
  const reset = (): void => {
    fields.forEach(({ input }, number) => (input.value = example[number] ?? ""));
    changed();
  };
  return { element: fieldset(fields, reset), values: () => fields.map(({ input }) => input.value) };
}

function fieldset(fields: { label: HTMLElement }[], reset: () => void): HTMLElement {
  return h(
    "div",
    {},
    h("div", { class: "fields", role: "group", "aria-label": "the example's values" }, ...fields.map(({ label }) => label)),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "main" }, "Ask"), h("button", { type: "button", click: reset }, "Example")),
  );
}

/** Return the largest value that pixels of an example's kind have. */
export function brightest(example: number[]): number {
  const most = example.reduce((a, b) => Math.max(a, b), 0);
  return [1, 16, 255].find((limit) => most <= limit) ?? most;
}

function padInputs(side: number, example: number[], whole: boolean, changed: () => void): Inputs {
  const scale = brightest(example);
  const pad = new Pad(side, changed);
  const fill = (values: number[]) => (): void => pad.set(values.map((value) => value / scale));
  if (example.length) fill(example)();
  const buttons = h(
    "div",
    { class: "buttons" },
    h("button", { type: "button", click: fill([]) }, "Wipe"),
    example.length ? h("button", { type: "button", click: fill(example) }, "Example") : null,
  );
  const element = h("div", { class: "drawing" }, pad.element, h("p", { class: "faint" }, "Draw here, with mouse, finger or keys."), buttons);
  const value = (ink: number): number => (whole ? Math.round(ink * scale) : Number((ink * scale).toFixed(4)));
  return { element, values: () => Array.from(pad.pixels, value) };
}

function numberInputs(names: string[], example: number[], datatype: string, changed: () => void, gaps: boolean): Inputs {
  const whole = !datatype.startsWith("FP");
  const words = (given: number): string => {
    if (Number.isNaN(given)) return "";
    return String(whole ? Math.round(given) : Number(given.toPrecision(6)));
  };
  const fields = names.map((name, number) => {
    const input = h("input", {
      type: "text",
      inputmode: whole ? "numeric" : "decimal",
      autocomplete: "off",
      placeholder: gaps ? "missing" : "",
      input: changed,
    });
    input.value = words(example[number] ?? 0);
    return { input, label: h("label", { class: "field" }, h("span", { title: name, translate: "no" }, name), input) };
  });
  const reset = (): void => {
    fields.forEach(({ input }, number) => {
      input.value = words(example[number] ?? 0);
    });
    changed();
  };
  const values = (): Values => {
    const found = fields.map(({ input }) => {
      const empty = input.value.trim() === "";
      const value = Number(input.value.trim().replace(",", "."));
      const missing = gaps && empty;
      const fits = missing || (!empty && Number.isFinite(value) && (!whole || Number.isInteger(value)));
      input.toggleAttribute("aria-invalid", !fits);
      if (!fits) input.setAttribute("aria-invalid", "true");
      if (missing) return null;
      return fits ? (datatype === "BOOL" ? value !== 0 : value) : undefined;
    });
    return found.includes(undefined) ? null : (found as (number | boolean | null)[]);
  };
  return { element: fieldset(fields, reset), values };
}

function listInputs(size: number, example: number[], changed: () => void, gaps: boolean): Inputs {
  const area = h("textarea", { rows: 8, spellcheck: "false", input: changed });
  area.value = example.map((value) => (Number.isNaN(value) ? "null" : Number(value.toPrecision(6)))).join(", ");
  const element = h("label", { class: "field wide" }, h("span", {}, `${size} numbers with commas between them`), area);
  const values = (): Values => {
    const words = area.value.split(/[\s,;]+/).filter(Boolean);
    const found = words.map((word) => (gaps && word === "null" ? null : Number(word)));
    const fits = found.length === size && found.every((value) => value === null || Number.isFinite(value));
    area.setAttribute("aria-invalid", String(!fits));
    return fits ? found : null;
  };
  return { element, values };
}
