import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Link } from "../../src/lab/link";

/** A kernel connection whose answers on the control channel are given one after the other; `null` is lost. */
function kernelWith(answers: (Record<string, unknown> | null)[]): { kernel: never; asked: () => number; idle: (after: string) => void } {
  let asked = 0;
  let hear: (sender: unknown, message: unknown) => void = () => undefined;
  const signal = { connect: () => true, disconnect: () => true };
  const kernel = {
    statusChanged: signal,
    iopubMessage: { ...signal, connect: (slot: typeof hear, self: unknown) => (hear = slot.bind(self)) },
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
  const idle = (after: string): void =>
    hear(kernel, { channel: "iopub", header: { msg_type: "status" }, parent_header: { msg_type: after }, content: { execution_state: "idle" } });
  return { kernel: kernel as never, asked: () => asked, idle };
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

  it("asks again at a cell's end, though the kernel counts as idle since its last answer", async () => {
    const { kernel, asked, idle } = kernelWith([{}, { maasnb: {} }]);
    const link = new Link(kernel);
    await vi.advanceTimersByTimeAsync(100);
    expect(link.state.mode).toBe("unloaded");
    idle("comm_info_request");
    await vi.advanceTimersByTimeAsync(100);
    expect(asked()).toBe(1);
    idle("execute_request");
    await vi.advanceTimersByTimeAsync(100);
    expect(asked()).toBe(2);
  });

  it("asks an idle kernel once that has answered", async () => {
    const { kernel, asked } = kernelWith([{}]);
    const link = new Link(kernel);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(asked()).toBe(1);
    expect(link.state.mode).toBe("unloaded");
  });
});
