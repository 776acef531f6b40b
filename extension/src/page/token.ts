/** The one question of this page: the token, which stays in this tab. */

import { h } from "../panel/dom";
import { token } from "./api";

/** Ask for the token in a dialog until one is given; resolve then. */
export function askForToken(words: string): Promise<void> {
  return new Promise((resolve) => {
    const input = h("input", { type: "password", autocomplete: "off", spellcheck: "false", id: "token", required: true });
    const submit = (event: Event): void => {
      event.preventDefault();
      if (!input.value.trim()) {
        input.setAttribute("aria-invalid", "true");
        return;
      }
      token.set(input.value);
      dialog.close();
      dialog.remove();
      resolve();
    };
    const dialog = h(
      "dialog",
      { class: "ask", "aria-labelledby": "ask-title", cancel: (event: Event) => event.preventDefault() },
      h(
        "form",
        { submit, method: "dialog" },
        h("h2", { id: "ask-title" }, "Token"),
        h("p", {}, words),
        h("label", { class: "field wide", for: "token" }, h("span", {}, "token"), input),
        h("p", { class: "faint" }, "It is kept for this tab only, and sent to this server only."),
        h("div", { class: "buttons" }, h("button", { type: "submit", class: "main" }, "Go on")),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  });
}
