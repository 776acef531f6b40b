import { expect, test } from "vitest";

import { merged, powers } from "../src/panel/chart";

test("two series become one, with gaps where only the other has a point", () => {
  const a = { x: [1, 2, 4], y: [[10, 20, 40]] };
  const b = { x: [2, 3, 5], y: [[1, 2, 3]] };
  expect(merged(a, b)).toEqual({
    x: [1, 2, 3, 4, 5],
    y: [[10, 20, null, 40, null], [null, 1, 2, null, 3]],
  });
});

test("an empty series changes nothing but adds its lines", () => {
  const a = { x: [1, 2], y: [[1, 2], [3, 4]] };
  expect(merged(a, { x: [], y: [[]] })).toEqual({ x: [1, 2], y: [[1, 2], [3, 4], [null, null]] });
});

test("a log axis has few enough marks, whatever its range", () => {
  expect(powers(1e-4, 0.1)).toEqual([1e-4, 1e-3, 0.01, 0.1]);
  expect(powers(0.5, 8)).toEqual([0.5, 1, 2, 5]);
  expect(powers(1e-3, 1e35).length).toBeLessThanOrEqual(9);
  expect(powers(1e-3, 1e35).length).toBeGreaterThan(4);
});
