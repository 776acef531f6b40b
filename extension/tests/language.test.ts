import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { Catalogue, language, languageOf, speak, translated } from "../src/language/translating";
import { shown } from "../src/page/answer";
import { readerLanguage, switchButton } from "../src/page/language";
import { h, setText, table } from "../src/panel/dom";
import type { Frame } from "../src/panel/protocol";
import { Store } from "../src/panel/store";
import { View } from "../src/panel/view";

const WORDS = {
  "step {} of {}": "第 {0} 步，共 {1} 步",
  "{} from step {}": "从第 {1} 步{0}",
  fork: "分叉",
  "The kernel is gone.": "内核已退出。",
  "What was learnt stays.": "学到的保留。",
};

afterEach(() => speak("en"));

describe("a catalogue", () => {
  const words = new Catalogue(WORDS);

  test.each([
    ["step 3 of 10", "第 3 步，共 10 步"],
    ["fork from step 7", "从第 7 步分叉"],
    ["The kernel is gone. What was learnt stays.", "内核已退出。学到的保留。"],
    ["The kernel is gone. Nobody knows why.", "内核已退出。Nobody knows why."],
    ["nothing of ours", "nothing of ours"],
    ["0.5", "0.5"],
    ["constructor", "constructor"],
  ])("%s", (text, expected) => {
    expect(words.of(text)).toBe(expected);
  });
});

test.each([
  ["zh-CN", "zh"],
  ["zh_CN", "zh"],
  ["ZH", "zh"],
  ["en-GB", "en"],
  ["zhuang", "en"],
  ["", "en"],
  [null, "en"],
])("the tag %s is %s", (tag, expected) => {
  expect(languageOf(tag)).toBe(expected);
});

test("texts are English until another language is asked for", () => {
  expect(translated("Stop")).toBe("Stop");
  speak("zh");
  expect(translated("Stop")).toBe("停止");
});

describe("an element", () => {
  beforeEach(() => speak("zh"));

  test("shows its words and its help translated", () => {
    const button = h("button", { title: "Stand still after the steps under way" }, "Pause");
    expect(button.textContent).toBe("暂停");
    expect(button.title).toBe("在当前几步之后暂停");
  });

  test("keeps names that people gave, and code", () => {
    expect(h("strong", { translate: "no" }, "loss").textContent).toBe("loss");
    expect(h("code", {}, "loss").textContent).toBe("loss");
    const name = h("strong", { translate: "no" });
    setText(name, "validation");
    expect(name.textContent).toBe("validation");
  });

  test("is a table with translated heads", () => {
    const heads = [...table("loss", ["step", "training"], []).querySelectorAll("th")];
    expect(heads.map((each) => each.textContent)).toEqual(["步", "训练"]);
  });
});

test("a class that is called like one of our words keeps its name", () => {
  speak("zh");
  const answer = { outputs: [{ name: "y", shape: [1, 2], data: [0.2, 0.8] }] };
  const element = shown(answer, ["loss", "training"]);
  expect(element.querySelector("strong")?.textContent).toBe("training");
  expect(element.textContent).toContain("把握 80.0 %");
});

describe("the page", () => {
  test("speaks the browser's language until its reader chooses", () => {
    Object.defineProperty(navigator, "language", { value: "zh-CN", configurable: true });
    localStorage.clear();
    readerLanguage();
    expect(language()).toBe("zh");
    expect(document.documentElement.lang).toBe("zh");
    expect(switchButton().textContent).toBe("English");
    localStorage.setItem("maasnb-language", "en");
    readerLanguage();
    expect(language()).toBe("en");
    expect(switchButton().textContent).toBe("中文");
  });
});

describe("the panel", () => {
  const OWN = /run-1|digits|torch|dense\.weight|lr|PSI|%maas panel|std|GB|MB|nan/g;

  function opened(): HTMLElement {
    const store = new Store({ send: () => undefined });
    const view = new View(store);
    document.body.replaceChildren(view.element);
    for (const each of view.element.querySelectorAll("details")) each.open = true;
    const now = { step: 10, status: "running", loss: 1, lr: 0.001, seconds: 70, steps_s: 5, samples_s: 160, memory: 900 };
    const run = { name: "run-1", backend: "torch", data: "digits", steps: 20, steps_per_epoch: 10, epochs: 2, metrics: ["accuracy"], origin: null };
    const reset = {
      type: "reset", number: 1, run, now, width: 1, count: 0, rates: [[1, 0.001]], parameters: [],
      validated: [[10, 1, { loss: 0.5, accuracy: 0.9 }]], interventions: [[5, "lr", 0.01, "button"], [6, "pause", null, "magic"]], warnings: [[7, "拖慢"]],
    };
    store.take(reset as unknown as Frame, []);
    (view as unknown as { update(): void }).update();
    return view.element;
  }

  test("has no English word left in Chinese", () => {
    speak("zh");
    const element = opened();
    const texts: string[] = [];
    for (const each of element.querySelectorAll("*")) {
      for (const node of each.childNodes) if (node.nodeType === 3 && each.localName !== "code" && each.localName !== "pre") texts.push(node.textContent ?? "");
      for (const name of ["title", "aria-label"]) texts.push(each.getAttribute(name) ?? "");
    }
    const left = texts.map((text) => text.replace(OWN, "")).filter((text) => /[A-Za-z]{2,}/.test(text));
    expect(left.join("\n")).toBe("");
  });

  test("is as it was in English", () => {
    const element = opened();
    expect(element.querySelector(".mb-stop")?.textContent).toBe("Stop");
    expect(element.querySelector(".mb-progress span")?.textContent).toBe("epoch 2 of 2 · step 10 of 20");
  });
});
