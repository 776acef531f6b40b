import { describe, expect, it } from "vitest";

import { fitting, type Part, State } from "../../src/lab/state";
import { everything, row } from "./rows";

const part = (number: number, changes: Partial<Part> = {}): Part => ({ type: "part", number, runs: [], ...changes });

describe("State", () => {
  it("changes the row of a run in its place, and puts a new run first", () => {
    const state = new State();
    state.take(everything({ runs: [row({ name: "b" }), row({ name: "a" })], total: 2 }));
    expect(state.take(part(2, { runs: [row({ name: "a", step: 5 }), row({ name: "c" })] }))).toBe(true);
    expect(state.runs.map((run) => [run.name, run.step])).toEqual([["c", 1], ["b", 1], ["a", 5]]);
    expect(state.total).toBe(3);
  });

  it("says where a frame was missed", () => {
    const state = new State();
    state.take(everything());
    expect(state.take(part(3))).toBe(false);
  });

  it("shows what it hears before it was told everything, and says that this is missing", () => {
    const state = new State();
    expect(state.take(part(7, { runs: [row()] }))).toBe(false);
    expect(state.mode).toBe("live");
    expect(state.take(part(8, { runs: [row({ step: 2 })] }))).toBe(true);
    expect(state.runs.map((run) => run.step)).toEqual([2]);
  });

  it("forgets a kernel that was restarted, but not its language", () => {
    const state = new State();
    state.language = "python";
    state.take(everything({ runs: [row()] }));
    state.clear("starting");
    expect([state.runs.length, state.mode, state.language]).toEqual([0, "starting", "python"]);
  });

  it("counts the runs of this kernel that are training", () => {
    const state = new State();
    state.take(everything({ runs: [row(), row({ name: "x", here: false, status: "elsewhere" }), row({ name: "y", status: "paused" })] }));
    expect(state.training).toBe(1);
  });
});

describe("fitting", () => {
  it("wants every typed word in name, data, framework or status", () => {
    const runs = [row({ name: "wide", data: "wine" }), row({ name: "deep", status: "failed" })];
    expect(fitting(runs, "").length).toBe(2);
    expect(fitting(runs, "torch WINE").map((run) => run.name)).toEqual(["wide"]);
    expect(fitting(runs, "deep fail").map((run) => run.name)).toEqual(["deep"]);
    expect(fitting(runs, "nothing")).toEqual([]);
  });
});
