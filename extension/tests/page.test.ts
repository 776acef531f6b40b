import { beforeEach, describe, expect, test, vi } from "vitest";

import { percent, probabilities, shown } from "../src/page/answer";
import { address, Failure, get, getIfThere, token } from "../src/page/api";
import { curlLine, quoted } from "../src/page/curl";
import { brightest, Form } from "../src/page/form";
import { driftInWords, summed } from "../src/page/live";
import { markdown } from "../src/page/markdown";
import { imageSide, kindInWords, versionsOf, type Metadata } from "../src/page/model";
import { dotted } from "../src/page/pad";
import { beginning } from "../src/page/writer";

const html = (text: string): string => {
  const place = document.createElement("div");
  place.append(markdown(text));
  return place.innerHTML;
};

describe("a card in Markdown", () => {
  test("its front matter is left out, its headings come below the page's own", () => {
    expect(html("---\nlicense: mit\n---\n# Digits\n\nA model.")).toBe("<h3>Digits</h3><p>A model.</p>");
  });
  test("has lists, tables, code and stresses", () => {
    expect(html("- a **b**\n- `c`\n  more\n")).toBe("<ul><li>a <strong>b</strong></li><li><code>c</code> more</li></ul>");
    expect(html("1. one\n2. two")).toBe("<ol><li>one</li><li>two</li></ol>");
    expect(html("| a | b |\n| --- | :-: |\n| 1 | x \\| y |")).toContain("<tbody><tr><td>1</td><td>x | y</td></tr></tbody>");
    expect(html("```python\n<b>x</b> *y*\n```")).toBe('<pre tabindex="0"><code>&lt;b&gt;x&lt;/b&gt; *y*</code></pre>');
    expect(html("> said\n> so")).toBe("<blockquote>said so</blockquote>");
    expect(html("a_b_c and 2 * 3 * 4")).toBe("<p>a_b_c and 2 * 3 * 4</p>");
  });
  test.each([
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    "![x](https://elsewhere.example/pixel.png)",
    "<https://a.example/\"onmouseover=alert(1)>",
    "| <script>x</script> | b |\n| - | - |\n| <img src=x onerror=x> | y |",
    "`<script>`",
    "# <iframe src=javascript:x>",
  ])("holds no element or address that could do anything: %s", (text) => {
    const place = document.createElement("div");
    place.append(markdown(text));
    expect(place.querySelectorAll("script, img, iframe, object, embed, style, link, form")).toHaveLength(0);
    for (const element of place.querySelectorAll("*")) {
      for (const { name } of [...element.attributes]) expect(name.startsWith("on")).toBe(false);
    }
    for (const anchor of place.querySelectorAll("a")) expect(anchor.protocol).toMatch(/^https?:$/);
  });
  test("links elsewhere tell nothing of this page", () => {
    expect(html("[a](https://a.example/b)")).toBe(
      '<p><a href="https://a.example/b" rel="noopener noreferrer nofollow" target="_blank">a</a></p>',
    );
  });
  test("a long line of brackets is read at once", () => {
    const text = "[".repeat(20_000) + "*".repeat(20_000) + "`".repeat(20_000);
    expect(html(text)).toBe(`<p>${text}</p>`);
  });
});

describe("a request for a shell", () => {
  test("is quoted so that no text leaves its quotes", () => {
    expect(quoted("it's $HOME `x`")).toBe("'it'\\''s $HOME `x`'");
  });
  test("reads the token from the environment", () => {
    expect(curlLine("http://a/b", '{"x":1}')).toBe(
      "curl -sS 'http://a/b' \\\n  -H \"Authorization: Bearer $MAASNB_TOKEN\" \\\n  -H 'Content-Type: application/json' \\\n  -d '{\"x\":1}'",
    );
  });
});

describe("an answer", () => {
  test("of one output for two classes has a bar for each", () => {
    expect(probabilities([0.25], ["no", "yes"])).toEqual([0.75, 0.25]);
  });
  test("is never told surer than it is", () => {
    expect([percent(1), percent(0.99999), percent(0.5), percent(0.0000001), percent(0)]).toEqual([
      "100.0 %",
      "> 99.9 %",
      "50.0 %",
      "< 0.1 %",
      "0.0 %",
    ]);
  });
  test("shows labels as text", () => {
    const element = shown({ outputs: [{ name: "p", shape: [1, 2], data: [0.2, 0.8] }] }, ["a", "<b>x</b>"]);
    expect(element.querySelector("b")).toBeNull();
    expect(element.querySelector(".verdict")?.textContent).toBe("<b>x</b> 80.0 % sure");
  });
  test("of many classes shows the most probable", () => {
    const values = Array.from({ length: 50 }, (_, n) => n / 1225);
    const element = shown({ outputs: [{ name: "p", shape: [1, 50], data: values }] }, values.map((_, n) => `c${n}`));
    expect(element.querySelectorAll(".bar")).toHaveLength(12);
    expect(element.querySelector(".label")?.textContent).toBe("c49");
  });
});

const model = (shape: number[], parameters: Metadata["parameters"] = {}, datatype = "FP32"): Metadata => ({
  name: "m",
  inputs: [{ name: "x", datatype, shape }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 1] }],
  parameters,
});

describe("what a model takes", () => {
  test("squares of pixels are drawn", () => {
    const pixels = Array.from({ length: 64 }, (_, n) => `pixel_${n}`);
    expect(imageSide(model([-1, 64], { features: pixels }))).toBe(8);
    expect(imageSide(model([-1, 28, 28]))).toBe(28);
    expect(imageSide(model([-1, 1, 28, 28]))).toBe(28);
  });
  test("what only has a square number of values is not", () => {
    expect(imageSide(model([-1, 64]))).toBe(0);
    expect(imageSide(model([-1, 4, 5]))).toBe(0);
    expect(imageSide(model([-1, 3, 32, 32]))).toBe(0);
    expect(imageSide(model([-1], {}, "BYTES"))).toBe(0);
  });
  test("is told in a few words", () => {
    expect(kindInWords(model([-1], { generation: { context: 4, unit: "character" } }, "BYTES"))).toMatch(/^writes text/);
    expect(kindInWords(model([-1, 3], { labels: ["a", "b"] }))).toBe("tells 2 classes apart, from numbers");
    expect(kindInWords(model([-1, 3], { kind: "regression" }))).toBe("estimates a value, from numbers");
  });
  test("pixels are as bright as those of its example", () => {
    expect([brightest([0, 0.4]), brightest([0, 9]), brightest([0, 200]), brightest([])]).toEqual([1, 16, 255, 1]);
  });
  test("versions come newest first, whether as texts or as objects", () => {
    expect(versionsOf({ name: "m", versions: ["1", "10", "2"] }).map((each) => each.number)).toEqual(["10", "2", "1"]);
    const [only] = versionsOf({ name: "m", versions: [{ version: 3 }] });
    expect(only).toEqual({ number: "3", created: null, metrics: {} });
  });
});

describe("a prompt to begin with", () => {
  test("is the longest line of the example", () => {
    expect(beginning("nd.\n  The cat sat\non")).toBe("The cat sat");
    expect(beginning("")).toBe("");
  });
});

describe("figures", () => {
  test("of several versions are added second by second", () => {
    expect(summed([[1, 2], undefined, [3, 4]])).toEqual([4, 6]);
    expect(summed([])).toEqual([]);
  });
  const feature = (name: string, psi: number, ks: number): { name: string; psi: number; ks: number; ks_limit: number } => ({
    name,
    psi,
    ks,
    ks_limit: 0.2,
  });
  test("drift is told of what moved most, in words", () => {
    const inputs = [feature("age", 0.15, 0.3), feature("height", 0.4, 0.5), feature("weight", 0.01, 0.05)];
    expect(driftInWords({ rows: 1200, inputs })).toEqual({
      words: "what is asked is far from the training data in height (PSI 0.4), age (PSI 0.15), by 1,200 rows.",
      far: true,
    });
  });
  test("what so few rows cannot tell is not told", () => {
    expect(driftInWords({ rows: 8, inputs: [feature("age", 3, 0.1)] })).toEqual({
      words: "what is asked is like the training data, as far as 8 rows can tell.",
      far: false,
    });
    expect(driftInWords({ rows: 0, inputs: [] })).toBeNull();
    expect(driftInWords(null)).toBeNull();
  });
});

describe("the pad", () => {
  test("a dot is dark in its middle, soft at its edge and nowhere else", () => {
    const pixels = new Float32Array(64);
    dotted(pixels, 8, 4.5, 4.5, 0.6);
    expect(pixels[4 * 8 + 4]).toBe(1);
    expect(pixels[4 * 8 + 5]).toBeGreaterThan(0);
    expect(pixels[4 * 8 + 5]).toBeLessThan(0.5);
    expect(pixels[0]).toBe(0);
  });
  test("a dot at the edge stays on the pad", () => {
    const pixels = new Float32Array(64);
    dotted(pixels, 8, -3, 20, 2);
    expect([...pixels].every((value) => value === 0)).toBe(true);
  });
});

describe("the server", () => {
  beforeEach(() => sessionStorage.clear());
  const answering = (status: number, body: string): ReturnType<typeof vi.fn> => {
    const made = vi.fn((_url: string, _init: RequestInit) => Promise.resolve(new Response(body, { status })));
    vi.stubGlobal("fetch", made);
    return made;
  };
  test("gets the token in a header, never in an address", async () => {
    const fetched = answering(200, "{}");
    token.set(" secret ");
    await get("v2");
    const [url, init] = fetched.mock.calls[0] as [string, RequestInit];
    expect(url).not.toContain("secret");
    expect(new Headers(init.headers).get("authorization")).toBe("Bearer secret");
  });
  test.each([
    ['{"error": "Words."}', "Words."],
    ['{"error": {"message": "Words."}}', "Words."],
    ["<html>", "The server answered with status 500."],
  ])("says why it refused: %s", async (body, words) => {
    answering(500, body);
    await expect(get("v2")).rejects.toThrow(new Failure(words, 500));
  });
  test("what it does not have is null", async () => {
    answering(404, '{"error": "no"}');
    expect(await getIfThere("maas/v1/nothing")).toBeNull();
  });
  test("is asked below the page's own address", () => {
    expect(address("/v2")).toBe(new URL("v2", document.baseURI).href);
  });
});

describe("the form of a table", () => {
  const of = (datatype: string, parameters: Metadata["parameters"]): Metadata => ({
    name: "people",
    inputs: [{ name: "x", datatype, shape: [-1, 2] }],
    outputs: [{ name: "values", datatype: "FP32", shape: [-1, 1] }],
    parameters: { features: ["age", "city"], ...parameters },
  });
  const sent: unknown[] = [];
  const made = (model: Metadata): { fields: HTMLInputElement[]; ask: () => void } => {
    sent.length = 0;
    vi.stubGlobal("fetch", (_url: string, init: RequestInit) => {
      sent.push((JSON.parse(String(init.body)) as { inputs: { data: unknown }[] }).inputs[0]?.data);
      return Promise.resolve(new Response('{"outputs": []}'));
    });
    const { element } = new Form(model, null);
    const form = element.querySelector("form");
    return {
      fields: [...element.querySelectorAll("input")],
      ask: () => form?.dispatchEvent(new Event("submit", { cancelable: true })),
    };
  };
  test("has a field for each column, with its name, and sends a row of texts", () => {
    const { fields, ask } = made(of("BYTES", { example: ["34", "Wien"] }));
    expect(fields.map((field) => [field.parentElement?.textContent, field.value])).toEqual([
      ["age", "34"],
      ["city", "Wien"],
    ]);
    if (fields[0]) fields[0].value = "";
    ask();
    expect(sent).toEqual([
      ["34", "Wien"],
      ["", "Wien"],
    ]);
  });
  test("takes an empty field for a missing number where the model fills gaps", () => {
    const { fields, ask } = made(of("FP64", { example: [1.5, null], gaps: true }));
    expect(fields.map((field) => field.value)).toEqual(["1.5", ""]);
    if (fields[1]) fields[1].value = "2,5";
    ask();
    expect(sent).toEqual([
      [1.5, null],
      [1.5, 2.5],
    ]);
  });
  test("marks an empty field where it does not, and sends nothing", () => {
    const { fields, ask } = made(of("FP64", { example: [1.5, 2] }));
    if (fields[1]) fields[1].value = "";
    ask();
    expect(sent).toEqual([[1.5, 2]]);
    expect(fields[1]?.getAttribute("aria-invalid")).toBe("true");
  });
});
