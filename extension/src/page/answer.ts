/** A model's answer: bars with labels for classes, numbers for values. */

import { h } from "../panel/dom";
import { short } from "../panel/format";

const MOST_BARS = 12;

export interface Output {
  name: string;
  shape: number[];
  data: number[];
}

export interface Answer {
  model_version?: string;
  outputs: Output[];
}

/** Return a probability as people read it. */
export function percent(value: number): string {
  const size = value * 100;
  if (size > 0 && size < 0.1) return "< 0.1 %";
  return `${size >= 99.95 && value < 1 ? "> 99.9" : size.toFixed(1)} %`;
}

/** Return the probability of each label, in their order. */
export function probabilities(data: number[], labels: string[]): number[] {
  const [only = 0] = data;
  return data.length === 1 && labels.length === 2 ? [1 - only, only] : data;
}

/** Show one example's answer. */
export function shown(answer: Answer, labels: string[]): HTMLElement {
  const output = answer.outputs[0];
  if (!output) return h("p", {}, "The answer is empty.");
  const values = probabilities(output.data, labels);
  if (labels.length && values.length === labels.length) return bars(values, labels);
  if (values.length <= 24) {
    return h(
      "div",
      { class: "values" },
      ...values.map((value) => h("output", { class: "value", title: String(value) }, short(value))),
    );
  }
  const text = values.slice(0, 200).map((value) => short(value)).join(", ");
  return h("p", { class: "numbers" }, `${values.length} numbers: ${text}${values.length > 200 ? ", ..." : ""}`);
}

function bars(values: number[], labels: string[]): HTMLElement {
  const order = values.map((value, index) => ({ value, label: labels[index] ?? "" }));
  const best = order.reduce((a, b) => (b.value > a.value ? b : a), order[0] ?? { value: 0, label: "" });
  // Few classes stay in their places, so that the eye can follow one; of many the first count.
  const few = order.length <= MOST_BARS;
  const chosen = few ? order : [...order].sort((a, b) => b.value - a.value).slice(0, MOST_BARS);
  const rows = chosen.map((each) => {
    const fill = h("span", { class: "fill" });
    fill.style.width = `${Math.max(0, Math.min(1, each.value)) * 100}%`;
    return h(
      "li",
      { class: each === best ? "bar best" : "bar" },
      h("span", { class: "label", title: each.label, translate: "no" }, each.label),
      h("span", { class: "track", "aria-hidden": "true" }, fill),
      h("span", { class: "amount" }, percent(each.value)),
    );
  });
  const more = order.length - chosen.length;
  return h(
    "div",
    {},
    h("p", { class: "verdict" }, h("strong", { translate: "no" }, best.label), h("span", {}, ` ${percent(best.value)} sure`)),
    h("ul", { class: "bars", "aria-label": "probabilities" }, ...rows),
    more ? h("p", { class: "faint" }, `and ${more} less probable`) : null,
  );
}
