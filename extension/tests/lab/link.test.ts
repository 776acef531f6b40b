import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Link } from "../../src/lab/link";

/** A kernel connection whose answers on the control channel are given one after the other; `null` is lost. */
function kernelWith(answers: (Record<string, unknown> | null)[]): { kernel: never; asked: () => number } {
  let asked = 0;
  const signal = { connect: () => true, disconnect: () => true };
  const kernel = {
    statusChanged: signal,
    disposed: signal,
    handleComms: true,
    hasComm: () => false,
    createComm: () => ({ isDisposed: false, send: () => undefined }),
    info: Promise.resolve({ language_info: { name: "python" } }),
    supportsSubshells: true,
    commsOverSubshells: "perCommTarget",
    username: "",
    clientId: "page",
    status: "idle",
    isDisposed: false,
    sendControlMessage: () => {
      const comms = answers[asked++] ?? null;
      return { done: comms ? Promise.resolve({ content: { status: "ok", comms } }) : new Promise(() => undefined) };
    },
  };
  return { kernel: kernel as never, asked: () => asked };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a link", () => {
  it("asks a kernel again whose answer was lost", async () => {
    const { kernel, asked } = kernelWith([null, null, {}]);
    const link = new Link(kernel);
    await vi.advanceTimersByTimeAsync(4000);
    expect(asked()).toBe(1);
    expect(link.state.mode).toBe("starting");
    await vi.advanceTimersByTimeAsync(30_000);
    expect(asked()).toBe(3);
    expect(link.state.mode).toBe("unloaded");
  });

  it("asks an idle kernel once that has answered", async () => {
    const { kernel, asked } = kernelWith([{}]);
    const link = new Link(kernel);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(asked()).toBe(1);
    expect(link.state.mode).toBe("unloaded");
  });
});
