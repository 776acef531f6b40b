import { describe, expect, it } from "vitest";

import { newNotebook, nextStep } from "../../src/lab/cells";
import { State } from "../../src/lab/state";
import { everything, row } from "./rows";

function live(changes: Parameters<typeof everything>[0] = {}): State {
  const state = new State();
  state.take(everything(changes));
  return state;
}

const model = { name: "deep", type: "Sequential", backend: "torch", parameters: 10 };
const endpoint = { variable: "endpoint", name: "digits", version: 1, server: "http://x", page: "", curl: "", ready: true, versions: [1], serves: 1, requests_s: 0 };

describe("nextStep", () => {
  it("loads, builds, trains, publishes, and then has nothing to say", () => {
    const unloaded = new State();
    unloaded.mode = "unloaded";
    const sources = [unloaded, live(), live({ models: [model] }), live({ models: [model], runs: [row({ status: "finished" })] })].map((state) => nextStep(state)?.sources.at(-1)?.split("\n")[0]);
    expect(sources).toEqual(["%load_ext maasnb", "%%maas build net", "%maas train deep digits --epochs 15", "%maas publish run digits"]);
    expect(nextStep(live({ models: [model], runs: [row({ status: "finished" })], endpoints: [endpoint] }))).toBeNull();
  });

  it("does not ask to publish what is training", () => {
    expect(nextStep(live({ models: [model], runs: [row()] }))).toBeNull();
  });

  it("counts only runs of this kernel", () => {
    expect(nextStep(live({ runs: [row({ here: false })] }))?.sources.length).toBe(2);
  });
});

describe("newNotebook", () => {
  it("loads maasnb only where the kernel does not", () => {
    const sources = (kernel: string): string[] => (newNotebook(kernel)["cells"] as { source: string }[]).map((cell) => cell.source);
    expect(sources("python3")).toContain("%load_ext maasnb");
    expect(sources("maasnb")).not.toContain("%load_ext maasnb");
  });
});
