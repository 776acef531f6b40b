/** A request as a line for a shell, with a button that copies it. */

import { h, setText } from "../panel/dom";
import { say } from "./said";

/** Quote a text for a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Return the command that sends a request; the token stays in the environment. */
export function curlLine(url: string, body: string): string {
  return [
    `curl -sS ${quoted(url)}`,
    `-H "Authorization: Bearer $MAASNB_TOKEN"`,
    `-H 'Content-Type: application/json'`,
    `-d ${quoted(body)}`,
  ].join(" \\\n  ");
}

export class Curl {
  readonly element: HTMLElement;
  private code = h("code", {});

  constructor() {
    const button = h("button", { type: "button", class: "quiet", click: () => void this.copy(button) }, "Copy");
    this.element = h(
      "details",
      { class: "curl" },
      h("summary", {}, "The same from a shell"),
      h("div", { class: "copied" }, h("pre", { tabindex: 0 }, this.code), button),
      h("p", { class: "faint" }, "It reads the token from the variable MAASNB_TOKEN."),
    );
  }

  show(url: string, body: string): void {
    this.code.textContent = curlLine(url, body);
  }

  private async copy(button: HTMLButtonElement): Promise<void> {
    const text = this.code.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
      say("Copied.");
      setText(button, "Copied");
    } catch {
      // Browsers give the clipboard to safe addresses only: the text is selected instead.
      getSelection()?.selectAllChildren(this.code);
      setText(button, "Press Ctrl+C");
    }
    setTimeout(() => setText(button, "Copy"), 2000);
  }
}
