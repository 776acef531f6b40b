import { describe, expect, it } from "vitest";

import { deed, duration, megabytes, nextRate, rateText, short, typedRate } from "../src/panel/format";
import { cividis } from "../src/panel/heat";
import { spread, verdict } from "../src/panel/sections";

describe("numbers", () => {
  it.each([
    [0.12345, "0.123"], [12345, "12,345"], [0.00012, "1.2e-4"], [0.5, "0.5"], [100, "100"], [null, "–"], [NaN, "nan"], [1e7, "1e7"],
  ])("%s is written %s", (value, text) => expect(short(value)).toBe(text));

  it.each([[3.4, "3 s"], [75, "1 min 15 s"], [3700, "1 h 1 min"], [Infinity, "–"]])(
    "%s seconds are %s", (value, text) => expect(duration(value)).toBe(text));

  it("counts memory in the unit that fits", () => {
    expect([megabytes(250), megabytes(2500), megabytes(null)]).toEqual(["250 MB", "2.50 GB", "–"]);
  });
});

describe("learning rates", () => {
  it.each([
    [0.001, true, 0.002], [0.002, true, 0.005], [0.005, true, 0.01], [0.001, false, 0.0005], [0.003, false, 0.002], [0.003, true, 0.005],
  ])("%s goes %s to %s", (from, up, to) => expect(nextRate(from, up)).toBeCloseTo(to, 12));

  it("stay positive however often they are lowered", () => {
    let lr = 1;
    for (let i = 0; i < 90; i++) lr = nextRate(lr, false);
    expect(lr).toBeGreaterThan(0);
    expect(lr).toBeLessThan(1e-25);
  });

  it.each([["0.01", 0.01], [" 1e-3 ", 0.001], ["0,5", 0.5], ["-1", null], ["0", null], ["fast", null], ["", null], ["Infinity", null]])(
    "%s typed is %s", (text, value) => expect(typedRate(text)).toBe(value));

  it("are written as they are typed", () => {
    expect([rateText(0.001), rateText(0.00002)]).toEqual(["0.001", "2e-5"]);
    expect(typedRate(rateText(0.00002))).toBe(0.00002);
  });
});

describe("words", () => {
  it("tell an intervention", () => {
    expect(deed("lr", 0.01)).toBe("lr 0.01");
    expect(deed("rollback", 1200)).toBe("rolled back to step 1,200");
  });

  it("tell what the ratios show", () => {
    expect(verdict(["a", "b"], [0.001, 0.001])).toContain("healthy");
    expect(verdict(["a", "b"], [0.1, 0.001])).toContain("Updates of a are above 0.01");
    expect(verdict(["a", "b"], [0.001, 1e-6])).toContain("Updates of b are below 0.0001");
  });
});

describe("spread", () => {
  it("holds the last place and no more than were wanted", () => {
    const places = spread(1000, 40);
    expect(places.length).toBeLessThanOrEqual(40);
    expect(places.at(-1)).toBe(999);
  });
});

describe("cividis", () => {
  it("begins dark blue and ends yellow, and stays there outside", () => {
    expect([cividis(0), cividis(1), cividis(2)]).toEqual(["rgb(0,34,78)", "rgb(254,232,56)", "rgb(254,232,56)"]);
  });
});
