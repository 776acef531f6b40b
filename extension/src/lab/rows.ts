/** The rows of the sidebar: made once, then only what changed is written, so that focus and scroll stay. */

import { h, setText } from "../panel/dom";
import { short, whole } from "../panel/format";
import { sparkline } from "./sparkline";
import type { EndpointRow, ModelRow, RunRow } from "./state";
import { spanWords, statusWord, trans } from "./words";

export interface Deeds {
  command(run: string, action: string): void;
  open(run: string): void;
  select(run: string, on: boolean): void;
  endpoint(row: EndpointRow, action: "promote" | "rollback", version: number | null): void;
  copy(text: string, words: string): void;
}

const SIGNS: Record<string, string> = { running: "●", paused: "❙❙", finished: "✓", stopped: "■", diverged: "▲", failed: "▲", lost: "○", elsewhere: "●" };

function button(words: string, act: () => void): HTMLButtonElement {
  return h("button", { type: "button", class: "maasnb-small", click: act }, words);
}

export class RunView {
  readonly element: HTMLElement;
  readonly check: HTMLInputElement;
  private sign = h("span", { class: "maasnb-sign", "aria-hidden": "true" });
  private name = h("button", { type: "button", class: "maasnb-name" });
  private status = h("span", { class: "maasnb-status" });
  private spark = sparkline();
  private bar = h("progress", { max: 1, value: 0 });
  private facts = h("span", { class: "maasnb-facts" });
  private best = h("span", { class: "maasnb-best" });
  private alarm = h("p", { class: "maasnb-alarm", hidden: true });
  private pause: HTMLButtonElement;
  private resume: HTMLButtonElement;
  private stop: HTMLButtonElement;
  private buttons: HTMLElement;

  constructor(run: string, deeds: Deeds) {
    this.check = h("input", { type: "checkbox", "aria-label": trans.__("compare %1", run), change: () => deeds.select(run, this.check.checked) });
    this.name.addEventListener("click", () => deeds.open(run));
    this.pause = button(trans.__("Pause"), () => deeds.command(run, "pause"));
    this.resume = button(trans.__("Resume"), () => deeds.command(run, "resume"));
    this.stop = button(trans.__("Stop"), () => deeds.command(run, "stop"));
    this.buttons = h("div", { class: "maasnb-buttons" }, this.pause, this.resume, this.stop);
    this.element = h(
      "li",
      { class: "maasnb-run" },
      h("div", { class: "maasnb-line" }, this.check, this.sign, this.name, this.spark.element),
      h("div", { class: "maasnb-line" }, this.status, this.best, this.facts),
      this.bar,
      this.alarm,
      this.buttons,
    );
    this.element.dataset["run"] = run;
    setText(this.name, run);
    this.name.title = trans.__("Open the panel of this run");
  }

  update(row: RunRow): void {
    const going = row.status === "running" || row.status === "paused";
    this.element.dataset["status"] = row.status;
    setText(this.sign, SIGNS[row.status] ?? "");
    setText(this.status, statusWord(row.status));
    setText(this.best, row.best && row.best[1] !== null ? `${row.best[0]} ${short(row.best[1])}` : "");
    setText(this.facts, facts(row));
    this.bar.hidden = !going;
    this.bar.max = Math.max(row.steps, 1);
    this.bar.value = row.step;
    this.bar.setAttribute("aria-label", trans.__("progress of %1", row.name));
    this.spark.draw(row.curve, row.loss === null ? trans.__("loss of %1", row.name) : trans.__("loss of %1, now %2", row.name, short(row.loss)));
    const words = row.alarm || (row.status === "failed" || row.status === "diverged" ? row.reason : "");
    this.alarm.hidden = !words;
    setText(this.alarm, words);
    this.buttons.hidden = !going || !row.here;
    this.pause.hidden = row.status !== "running";
    this.resume.hidden = row.status !== "paused";
  }
}

function facts(row: RunRow): string {
  const known = [row.here && row.steps ? trans.__("step %1 of %2", whole(row.step), whole(row.steps)) : trans.__("%1 steps", whole(row.step))];
  if (row.left_s !== null && row.status === "running") known.push(trans.__("%1 left", spanWords(row.left_s)));
  else if (row.seconds) known.push(spanWords(row.seconds));
  return known.join(" · ");
}

export function modelRow(row: ModelRow): HTMLElement {
  return h(
    "li",
    { class: "maasnb-model" },
    h("strong", {}, row.name),
    h("span", { class: "maasnb-facts" }, `${row.type} · ${row.backend} · ${trans.__("%1 parameters", whole(row.parameters))}`),
  );
}

export function endpointRow(row: EndpointRow, deeds: Deeds): HTMLElement {
  const serves = row.serves ?? (typeof row.version === "number" ? row.version : null);
  const newest = row.versions.length ? Math.max(...row.versions) : null;
  const next = newest !== null && newest !== serves ? newest : null;
  const facts = row.ready
    ? [serves === null ? "" : trans.__("version %1 answers", serves), row.requests_s === null ? "" : trans.__("%1 requests/s", short(row.requests_s))]
    : [trans.__("its server does not answer")];
  return h(
    "li",
    { class: "maasnb-endpoint", "data-ready": String(row.ready) },
    h(
      "div",
      { class: "maasnb-line" },
      h("span", { class: "maasnb-sign", "aria-hidden": "true" }, row.ready ? "●" : "○"),
      h("strong", {}, row.name),
      h("span", { class: "maasnb-facts" }, facts.filter(Boolean).join(" · ")),
    ),
    row.ready
      ? h(
          "div",
          { class: "maasnb-buttons" },
          h("a", { class: "maasnb-small", href: row.page, target: "_blank", rel: "noopener" }, trans.__("Open page")),
          button(trans.__("Copy curl"), () => deeds.copy(row.curl, trans.__("The command is in the clipboard."))),
          next === null ? null : button(trans.__("Promote version %1", next), () => deeds.endpoint(row, "promote", next)),
          row.versions.length > 1 ? button(trans.__("Roll back"), () => deeds.endpoint(row, "rollback", null)) : null,
        )
      : h("p", { class: "maasnb-alarm" }, trans.__("Run %1 again, which starts the workspace's own server.", "mb.connect(…)")),
  );
}
