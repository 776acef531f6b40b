import { beforeEach, expect, test } from "vitest";

import type { Frame, Now, Publication } from "../src/panel/protocol";
import { PublishSection } from "../src/panel/publish";
import { Store } from "../src/panel/store";

const NOW: Now = { step: 10, status: "paused", loss: 1, lr: 0.001, seconds: 1, steps_s: 0, samples_s: 0, memory: null };
const ABOUT = { name: "run-1", backend: "torch", data: "digits", steps: 20, steps_per_epoch: 10, epochs: 2, metrics: [], origin: null };

let sent: Record<string, unknown>[];
let store: Store;
let section: PublishSection;

beforeEach(() => {
  sent = [];
  store = new Store({ send: (message) => sent.push(message) });
  section = new PublishSection(store);
  document.body.replaceChildren(section.element);
  section.element.open = true;
});

function tell(now: Partial<Now>, told?: Omit<Publication, "type">): void {
  const reset = { type: "reset", number: 1, run: ABOUT, now: { ...NOW, ...now }, width: 1, count: 0, rates: [] };
  store.take(reset as Frame, []);
  if (told) store.take({ type: "publication", ...told }, []);
  section.update();
}

const button = (): HTMLButtonElement => section.element.querySelector("button") as HTMLButtonElement;
const name = (): HTMLInputElement => section.element.querySelector("input") as HTMLInputElement;
const status = (): string => section.element.querySelector("[role=status]")?.textContent ?? "";

test("the name is the data's until a person types another", () => {
  tell({});
  expect(name().value).toBe("digits");
  name().value = "mine";
  name().dispatchEvent(new Event("input"));
  tell({});
  button().click();
  expect(sent).toContainEqual({ type: "publish", name: "mine" });
});

test("a run in training must stand still first", () => {
  tell({ status: "running" });
  expect(button().disabled).toBe(true);
  expect(status()).toBe("Pause or stop the run, then publish what it has learnt.");
});

test("Enter publishes, and a second time waits for the first", () => {
  tell({});
  name().dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  expect(sent).toEqual([{ type: "publish", name: "digits" }]);
  tell({}, { state: "working", words: "Publishing ..." });
  name().dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  expect(sent).toHaveLength(1);
  expect(status()).toBe("Publishing ...");
});

test("what came of it is shown with its address, version and request", () => {
  tell({ status: "finished" }, { state: "done", words: "It answers.", url: "http://x/infer", version: 3, curl: "curl <x>" });
  const shown = section.element.querySelector("dl") as HTMLElement;
  expect(shown.hidden).toBe(false);
  expect([...shown.querySelectorAll("dd")].map((each) => each.textContent)).toEqual(["http://x/infer", "3", "curl <x>"]);
});

test("an error is told in its own words", () => {
  tell({}, { state: "failed", words: "The name 'a b' cannot be used." });
  expect(status()).toBe("The name 'a b' cannot be used.");
  expect(section.element.querySelector("dl")?.hidden).toBe(true);
  expect(button().disabled).toBe(false);
});

test("a run of another kernel is not published from here", () => {
  tell({ status: "elsewhere" });
  expect(section.element.hidden).toBe(true);
});
