/** The try-it form of a model that writes: a prompt, and the text behind it while it is written. */

import { translated } from "../language/translating";
import { h, setText } from "../panel/dom";
import { address, events, Failure } from "./api";
import { Curl } from "./curl";
import type { Metadata } from "./model";
import { say } from "./said";

const PATH = "v1/completions";

interface Chunk {
  choices?: { text?: string; finish_reason?: string | null }[];
  error?: { message?: string };
  system_fingerprint?: string;
}

const WHY: Record<string, string> = { stop: "ended at a stop", length: "reached the length asked for" };

export class WriterForm {
  readonly element: HTMLElement;
  private prompt = h("textarea", { rows: 3, spellcheck: "false", input: () => this.preview() });
  private temperature = number("0.8", "0", "5", "0.1");
  private length = number("300", "1", "5000", "1");
  private top = number("1", "0.01", "1", "0.01");
  private seed = number("", "0", "", "1");
  private written = h("span", { class: "written" });
  private asked = h("span", { class: "prompt" });
  private hint = h("span", { class: "faint" }, "The text comes here.");
  private caret = h("span", { class: "caret", "aria-hidden": "true" });
  private note = h("p", { class: "faint note", role: "status" });
  private start = h("button", { type: "submit", class: "main" }, "Write");
  private stop = h("button", { type: "button", click: () => this.abort?.abort() }, "Stop");
  private curl = new Curl();
  private abort: AbortController | null = null;

  constructor(
    private model: Metadata,
    private version: string | null,
  ) {
    this.prompt.value = beginning(String(model.parameters?.example?.[0] ?? ""));
    this.stop.disabled = true;
    this.caret.hidden = true;
    const submit = (event: Event): void => {
      event.preventDefault();
      void this.write();
    };
    for (const field of [this.temperature, this.length, this.top, this.seed]) {
      field.addEventListener("input", () => this.preview());
    }
    this.element = h(
      "div",
      { class: "try writing" },
      h(
        "form",
        { submit, novalidate: true, "aria-label": "Try it" },
        h("label", { class: "field wide" }, h("span", {}, "prompt"), this.prompt),
        h(
          "div",
          { class: "fields" },
          labelled("temperature", "0 always takes the most probable", this.temperature),
          labelled(`${model.parameters?.generation?.unit ?? "token"}s`, "how many are written", this.length),
          labelled("top p", "the part of the probability that is drawn from", this.top),
          labelled("seed", "empty: another text each time", this.seed),
        ),
        h("div", { class: "buttons" }, this.start, this.stop),
      ),
      h(
        "div",
        { class: "said" },
        h("pre", { class: "text", tabindex: 0, "aria-label": "what was written" }, this.hint, this.asked, this.written, this.caret),
        this.note,
        this.curl.element,
      ),
    );
    this.preview();
  }

  end(): void {
    this.abort?.abort();
  }

  private request(): Record<string, unknown> {
    const value = (field: HTMLInputElement): number | undefined =>
      field.value.trim() === "" ? undefined : Number(field.value.replace(",", "."));
    return {
      model: this.version === null ? this.model.name : `${this.model.name}@${this.version}`,
      prompt: this.prompt.value,
      temperature: value(this.temperature),
      max_tokens: value(this.length),
      top_p: value(this.top),
      seed: value(this.seed),
    };
  }

  private preview(): void {
    this.curl.show(address(PATH), JSON.stringify(this.request()));
  }

  private async write(): Promise<void> {
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    this.hint.hidden = true;
    this.asked.textContent = this.prompt.value;
    this.written.textContent = "";
    this.note.textContent = "";
    this.note.classList.remove("bad");
    this.busy(true);
    const began = performance.now();
    let count = 0;
    try {
      const body = JSON.stringify({ ...this.request(), stream: true });
      for await (const data of events(PATH, body, abort.signal)) {
        if (data === "[DONE]") break;
        const chunk = JSON.parse(data) as Chunk;
        if (chunk.error) throw new Failure(chunk.error.message ?? "The server failed.", 500);
        const choice = chunk.choices?.[0];
        if (!choice) continue;
        count++;
        this.written.append(choice.text ?? "");
        const took = (performance.now() - began) / 1000;
        const rate = `${count} in ${took.toFixed(1)} s`;
        const why = WHY[choice.finish_reason ?? ""] ?? choice.finish_reason;
        const end = `${rate}; it ${why}. Answered by ${chunk.system_fingerprint ?? this.model.name}.`;
        setText(this.note, choice.finish_reason ? end : rate);
      }
      say("The text is written.");
    } catch (error) {
      if (abort.signal.aborted) {
        if (this.abort === abort) this.note.append(translated("; stopped."));
      } else {
        setText(this.note, error instanceof Failure ? error.message : String(error));
        this.note.classList.add("bad");
      }
    } finally {
      if (this.abort === abort) this.busy(false);
    }
  }

  private busy(busy: boolean): void {
    this.stop.disabled = !busy;
    this.caret.hidden = !busy;
    setText(this.start, busy ? "Again" : "Write");
  }
}

/** Return the longest line of an example, as a prompt to begin with. */
export function beginning(example: string): string {
  const lines = example.split("\n").map((line) => line.trimStart());
  return lines.reduce((a, b) => (b.length > a.length ? b : a), "").slice(0, 60);
}

function number(value: string, min: string, max: string, step: string): HTMLInputElement {
  const input = h("input", { type: "number", min, max, step });
  input.value = value;
  return input;
}

function labelled(name: string, title: string, input: HTMLInputElement): HTMLElement {
  return h("label", { class: "field", title }, h("span", {}, name), input);
}
