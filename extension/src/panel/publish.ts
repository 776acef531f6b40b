/** Publishing a run that stands still: a name, a button, and where the model answers then. */

import { h, newId, setText } from "./dom";
import type { Section } from "./sections";
import type { Store } from "./store";

export class PublishSection implements Section {
  element: HTMLDetailsElement;
  private name: HTMLInputElement;
  private button: HTMLButtonElement;
  private words = h("p", { class: "mb-answer", role: "status" });
  private address = h("code", {});
  private version = h("span", {});
  private curl = h("pre", { class: "mb-curl", tabindex: 0, role: "region", "aria-label": "a request as a shell command" });
  private copy: HTMLButtonElement;
  private result: HTMLElement;
  private named = false;

  constructor(private store: Store) {
    const id = newId();
    this.name = h("input", {
      id,
      type: "text",
      autocomplete: "off",
      spellcheck: "false",
      input: () => (this.named = true),
      keydown: (event) => this.key(event as KeyboardEvent),
    });
    this.button = h("button", { type: "button", title: "Make this model answer requests", click: () => this.publish() }, "Publish");
    this.copy = h("button", { type: "button", class: "mb-small", click: () => this.take() }, "Copy");
    this.result = h(
      "dl",
      { class: "mb-published", hidden: true },
      h("dt", {}, "address"),
      h("dd", {}, this.address),
      h("dt", {}, "version"),
      h("dd", {}, this.version),
      h("dt", {}, "try it in a shell ", this.copy),
      h("dd", {}, this.curl),
    );
    this.element = h(
      "details",
      { class: "mb-section" },
      h("summary", {}, "Publish"),
      h(
        "div",
        { class: "mb-body" },
        h("div", { class: "mb-controls", role: "group", "aria-label": "Publish" }, h("span", { class: "mb-rate" }, h("label", { for: id }, "name"), this.name), this.button),
        this.words,
        this.result,
      ),
    );
  }

  update(): void {
    const { run, now, gone, publication } = this.store;
    this.element.hidden = now?.status === "elsewhere" || now?.status === "lost";
    if (!this.element.open) return;
    // What a person has typed stays; until then it is the data's name.
    if (!this.named && run && this.name.value !== run.data) this.name.value = run.data;
    const training = now?.status === "running";
    const working = publication?.state === "working";
    this.button.disabled = gone || training || working;
    this.name.disabled = gone || working;
    const told = publication?.words ?? "";
    const words = training && !working ? "Pause or stop the run, then publish what it has learnt." : told;
    setText(this.words, words);
    this.words.hidden = !words;
    this.words.classList.toggle("mb-bad", words === told && publication?.state === "failed");
    this.result.hidden = publication?.state !== "done";
    setText(this.address, publication?.url ?? "");
    setText(this.version, String(publication?.version ?? ""));
    setText(this.curl, publication?.curl ?? "");
  }

  theme(): void {}
  destroy(): void {}

  private publish(): void {
    if (!this.button.disabled) this.store.publish(this.name.value.trim());
  }

  private key(event: KeyboardEvent): void {
    if (event.key === "Enter") {
      this.publish();
      event.preventDefault();
    }
    event.stopPropagation();
  }

  private take(): void {
    // Pages that are not served by this machine or over TLS have no clipboard: then it is selected.
    const select = (): void => window.getSelection()?.selectAllChildren(this.curl);
    if (!navigator.clipboard) select();
    else navigator.clipboard.writeText(this.curl.textContent ?? "").then(() => setText(this.copy, "Copied"), select);
  }
}
