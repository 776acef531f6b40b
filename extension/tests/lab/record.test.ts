import { describe, expect, it } from "vitest";

import { answerOf, bucketsOf, readLog, RecordError, resetOf, statusOf, summaryOf } from "../../src/lab/record";
import { floats, wholes } from "../../src/panel/protocol";
import { Store } from "../../src/panel/store";

const SUMMARY = { schema: 1, name: "first", task: {}, backend: "torch", data: { name: "digits" }, status: "finished", seconds: 3, reason: "" };
const line = (event: string, more: Record<string, unknown>): string => JSON.stringify({ event, time: 0, ...more });
const LOG = [
  line("started", { step: 0, steps: 6, steps_per_epoch: 3, schema: 1 }),
  line("stepped", { step: 3, losses: [3, 2, "nan"], lr: 0.1, samples: 9, seconds: 1 }),
  line("measured", { step: 3, gradient_norm: { w: 0.5 }, update_ratio: { w: 0.25 } }),
  line("validated", { step: 3, epoch: 1, metrics: { loss: 1, accuracy: 0.5 } }),
  line("unheard-of", { step: 3 }),
  line("ended", { step: 3, status: "finished", reason: "", seconds: 3 }),
].join("\n");

describe("summaryOf", () => {
  it("reads what a run was", () => {
    expect(summaryOf(JSON.stringify(SUMMARY))).toMatchObject({ name: "first", data: "digits", status: "finished" });
  });

  it.each([
    ['{"schema": 1, "na', /torn/],
    ["[1, 2]", /no record of a run/],
    ['{"name": "package"}', /no record of a run/],
    [JSON.stringify({ ...SUMMARY, schema: 2 }), /newer maasnb \(schema 2, known here: 1\)/],
  ])("says in words why %s cannot be shown", (text, words) => {
    expect(() => summaryOf(text)).toThrow(words);
    expect(() => summaryOf(text)).toThrow(RecordError);
  });
});

describe("readLog", () => {
  it("leaves out what is torn or not known", () => {
    const log = readLog(`${LOG}\n{"event":"stepp`);
    expect([log.losses, log.torn, log.steps]).toEqual([[3, 2, NaN], 1, 6]);
  });

  it("goes back where the run did", () => {
    const back = line("intervened", { step: 3, action: "rollback", value: 1, source: "python" });
    const log = readLog(`${LOG}\n${back}`);
    expect([log.losses, log.step, log.validated.length, log.interventions.length]).toEqual([[3], 1, 0, 1]);
  });

  it("refuses a newer schema", () => {
    expect(() => readLog(line("started", { step: 0, schema: 9 }))).toThrow(/newer maasnb/);
  });
});

describe("statusOf", () => {
  it("takes a run without an end for lost once its log stands still", () => {
    const summary = { ...summaryOf(JSON.stringify(SUMMARY)), status: null };
    const log = { ...readLog(LOG), ended: null };
    expect(statusOf(summary, log, 0, 59_000)).toBe("elsewhere");
    expect(statusOf(summary, log, 0, 61_000)).toBe("lost");
  });
});

describe("bucketsOf", () => {
  it("joins many losses, with their lowest and highest", () => {
    const { width, triples } = bucketsOf(Array.from({ length: 1025 }, (_, i) => i));
    expect([width, ...triples.slice(0, 3)]).toEqual([2, 0, 0.5, 1]);
    expect([...triples.slice(-3)]).toEqual([1024, 1024, 1024]);
  });
});

describe("resetOf", () => {
  it("is what the panel's store begins with", () => {
    const summary = summaryOf(JSON.stringify(SUMMARY));
    const log = readLog(LOG);
    const { frame, buffers } = resetOf(summary, log, "finished");
    expect([...floats(buffers[0])].slice(0, 3)).toEqual([3, 3, 3]);
    expect([...wholes(buffers[1])]).toEqual([0.5, 0.25]);
    const store = new Store({ send: () => undefined });
    store.take(frame, buffers);
    expect(store.losses.mean.slice(0, 2)).toEqual([3, 2]);
    expect(store.run).toMatchObject({ name: "first", epochs: 2, metrics: ["accuracy"] });
    expect(store.measured).toEqual({ steps: [3], norms: [[0.5]], ratios: [[0.25]] });
  });

  it("says how many lines were torn", () => {
    const { frame } = resetOf(summaryOf(JSON.stringify(SUMMARY)), readLog(`${LOG}\n{"ev`), "finished");
    expect(frame.warnings?.[0]?.[1]).toBe("1 lines of the log are torn and were left out.");
  });
});

describe("answerOf", () => {
  const log = readLog(LOG);

  it("tells the detail of a part", () => {
    const told = answerOf(log, { type: "detail", first: 1, last: 3 });
    expect(told?.frame).toEqual({ type: "detail", first: 1, width: 1, count: 2 });
  });

  it("says that a kernel is needed for what changes a run", () => {
    expect(answerOf(log, { type: "command", action: "stop" })?.frame).toMatchObject({ type: "answer", good: false });
    expect(answerOf(log, { type: "publish", name: "x" })?.frame).toMatchObject({ state: "failed" });
  });
});
