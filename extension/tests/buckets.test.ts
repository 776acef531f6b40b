import { describe, expect, it } from "vitest";

import { Buckets, smoothed } from "../src/panel/buckets";

/** Low, mean and high of each bucket, computed the plain way. */
function plain(values: number[], width: number, first = 0): Float32Array {
  const triples: number[] = [];
  for (let i = first * width; i < values.length; i += width) {
    const part = values.slice(i, i + width);
    triples.push(Math.min(...part), part.reduce((a, b) => a + b, 0) / part.length, Math.max(...part));
  }
  return new Float32Array(triples);
}

const values = Array.from({ length: 77 }, (_, i) => Math.sin(i) + i / 10);

describe("Buckets", () => {
  it("joins narrow buckets to what wide ones would have been", () => {
    const joined = new Buckets();
    joined.reset(1, 40, plain(values.slice(0, 40), 1));
    joined.put(5, 8, 77, plain(values, 8, 5));
    const whole = new Buckets();
    whole.reset(8, 77, plain(values, 8));
    expect(joined.width).toBe(8);
    expect(joined.low).toEqual(whole.low);
    expect(joined.high).toEqual(whole.high);
    joined.mean.forEach((mean, i) => expect(mean).toBeCloseTo(whole.mean[i] ?? NaN, 5));
  });

  it("replaces a bucket that was not full yet", () => {
    const buckets = new Buckets();
    buckets.reset(4, 6, plain(values.slice(0, 6), 4));
    buckets.put(1, 4, 10, plain(values.slice(0, 10), 4, 1));
    expect(buckets.mean.length).toBe(3);
    expect(buckets.steps()).toEqual([4, 8, 10]);
  });

  it("weighs a bucket that is not full by what it holds", () => {
    const buckets = new Buckets();
    buckets.reset(2, 3, new Float32Array([1, 1, 1, 4, 4, 4]));
    buckets.put(1, 4, 3, new Float32Array([]));
    expect(buckets.mean).toEqual([2]);
  });
});

describe("smoothed", () => {
  it("leaves a straight line where it is", () => {
    const line = Array.from({ length: 100 }, (_, i) => i);
    expect(smoothed(line, 0.1)[50]).toBeCloseTo(50);
  });

  it("steps over what is no number", () => {
    expect(smoothed([1, NaN, 3], 1)[1]).toBeCloseTo(2);
  });

  it("changes nothing without a window", () => {
    expect(smoothed([3, 1, 2], 0)).toEqual([3, 1, 2]);
  });
});
