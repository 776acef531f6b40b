import { beforeEach, describe, expect, it, vi } from "vitest";

import type { Append, Reset } from "../src/panel/protocol";
import { floats, wholes } from "../src/panel/protocol";
import { Store } from "../src/panel/store";

const view = (numbers: number[]): DataView => new DataView(new Float32Array(numbers).buffer);

const now = { step: 2, status: "running" as const, loss: 1, lr: 0.1, seconds: 1, steps_s: 2, samples_s: 4, memory: 9 };
const about = { name: "r", backend: "torch", data: "d", steps: 9, steps_per_epoch: 3, epochs: 3, metrics: ["accuracy"], origin: null };

function reset(number = 1): Reset {
  return { type: "reset", number, run: about, now, width: 1, count: 2, rates: [[2, 0.1]], measured: [], parameters: [] };
}

function append(number: number): Append {
  return { type: "append", number, now: { ...now, step: 3 }, width: 1, count: 3, first: 2 };
}

let sent: Record<string, unknown>[] = [];
let store: Store;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  store = new Store({ send: (message) => sent.push(message) });
});

describe("Store", () => {
  it("says hello again until the kernel answers, as one request", () => {
    store.hello();
    vi.advanceTimersByTime(1000);
    const before = sent.length;
    expect(before).toBeGreaterThan(2);
    expect(new Set(sent.map((each) => each["request"])).size).toBe(1);
    store.take(reset(), [view([1, 1, 1, 2, 2, 2])]);
    vi.advanceTimersByTime(60_000);
    expect(sent.length).toBe(before);
  });

  it("does not ask for ever", () => {
    store.hello();
    vi.advanceTimersByTime(10 * 60_000);
    expect(sent.length).toBeLessThan(12);
  });

  it("takes what came since", () => {
    store.take(reset(), [view([1, 1, 1, 2, 2, 2])]);
    store.take(append(2), [view([3, 3, 3])]);
    expect(store.losses.mean).toEqual([1, 2, 3]);
    expect(store.now?.step).toBe(3);
    expect(sent).toEqual([]);
  });

  it("asks for everything where a frame was missed, once", () => {
    store.take(reset(), [view([1, 1, 1, 2, 2, 2])]);
    store.take(append(4), [view([3, 3, 3])]);
    store.take(append(5), [view([3, 3, 3])]);
    expect(sent.map((each) => each["type"])).toEqual(["hello"]);
    expect(store.losses.mean).toEqual([1, 2]);
  });

  it("keeps what it had when the kernel is gone, and sends nothing more", () => {
    store.take(reset(), [view([1, 1, 1, 2, 2, 2])]);
    store.lose();
    store.command("pause");
    expect(sent).toEqual([]);
    expect(store.losses.mean).toEqual([1, 2]);
    expect(store.answer?.good).toBe(false);
  });

  it("notices a channel that is closed", () => {
    const broken = new Store({ send: () => { throw new Error("closed"); } });
    broken.command("stop");
    expect(broken.gone).toBe(true);
  });

  it("reads statistics, two rows a measurement", () => {
    const halves = new Uint16Array([0x3f80, 0x4000, 0x3a83, 0x3a83]);
    store.take({ ...reset(), parameters: ["a", "b"], measured: [1] }, [view([]), new DataView(halves.buffer)]);
    expect(store.measured.norms).toEqual([[1, 2]]);
    expect(store.measured.ratios[0]?.[0]).toBeCloseTo(0.001, 4);
  });
});

describe("buffers", () => {
  it("are read wherever in their memory they begin", () => {
    const bytes = new Uint8Array(9);
    bytes.set(new Uint8Array(new Float32Array([1, 2]).buffer), 1);
    expect([...floats(new DataView(bytes.buffer, 1, 8))]).toEqual([1, 2]);
    expect([...wholes(undefined)]).toEqual([]);
  });
});
