import { describe, expect, it } from "vitest";

import { Limiter, noticesOf } from "../../src/lab/notices";
import { pathOf } from "../../src/lab/sparkline";
import { filled } from "../../src/lab/words";
import { row } from "./rows";

describe("noticesOf", () => {
  it("tells once how a run ended", () => {
    const [notice] = noticesOf(row(), row({ status: "finished", best: ["accuracy", 0.9] }));
    expect([notice?.words, notice?.kind]).toEqual(["The run first has finished. accuracy 0.9", "success"]);
    expect(noticesOf(row({ status: "finished" }), row({ status: "finished" }))).toEqual([]);
    expect(noticesOf(row(), row({ status: "failed", reason: "out of memory" }))[0]?.words).toBe("The run first failed: out of memory");
  });

  it("tells of a serious finding", () => {
    const found = noticesOf(row({ status: "finished" }), row({ status: "finished", alarm: "dead ReLUs" }));
    expect(found.map((each) => [each.words, each.kind])).toEqual([["first: dead ReLUs", "warning"]]);
    const failed = noticesOf(row(), row({ status: "diverged", reason: "the loss became nan", alarm: "infinite loss" }));
    expect(failed.map((each) => each.kind)).toEqual(["error"]);
  });

  it("says nothing of a run that was not seen before, or is another kernel's", () => {
    expect(noticesOf(undefined, row({ status: "finished" }))).toEqual([]);
    expect(noticesOf(row({ here: false }), row({ here: false, status: "finished" }))).toEqual([]);
  });
});

describe("Limiter", () => {
  it("lets three through in half a minute and counts the others", () => {
    const limiter = new Limiter();
    expect([0, 1, 2, 3, 4].map((at) => limiter.allows(at))).toEqual([true, true, true, false, false]);
    expect(limiter.missed()).toBe(2);
    expect(limiter.missed()).toBe(0);
    expect(limiter.allows(30_001)).toBe(true);
  });
});

describe("pathOf", () => {
  it("goes from left to right, low values below, with a gap where nothing is known", () => {
    expect(pathOf([2, null, 0, 1], 104, 24)).toBe("M2.0 2.0M68.7 22.0L102.0 12.0");
    expect(pathOf([null])).toBe("");
  });

  it("draws a constant in one line", () => {
    expect(pathOf([3, 3], 104, 24)).toBe("M2.0 22.0L102.0 22.0");
  });
});

describe("filled", () => {
  it("leaves magics alone", () => {
    expect(filled("%pip for %1 of %2, %3", ["a", 2])).toBe("%pip for a of 2, %3");
  });
});
