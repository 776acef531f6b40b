/** Rows and frames as the kernel sends them, for tests. */

import type { Everything, RunRow } from "../../src/lab/state";

export function row(changes: Partial<RunRow> = {}): RunRow {
  return { name: "first", status: "running", step: 1, steps: 9, loss: 1, curve: [1], best: null, seconds: 1, left_s: 8, backend: "torch", data: "digits", here: true, reason: "", ...changes };
}

export function everything(changes: Partial<Everything> = {}): Everything {
  return { type: "all", number: 1, protocol: 1, version: "0.1.0", workspace: "/w", runs: [], total: 0, models: [], endpoints: [], devices: [], memory: { kernel_mb: 1, machine_mb: 2 }, ...changes };
}
