import { expect, test } from "vitest";

import { merged } from "../src/panel/chart";

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
