/** What the sidebar knows of one kernel, filled by the frames of `maasnb/panels/sidebar.py`. */

export const PROTOCOL = 1;

export interface RunRow {
  name: string;
  status: string;
  step: number;
  steps: number;
  loss: number | null;
  curve: (number | null)[];
  best: [name: string, value: number | null] | null;
  seconds: number;
  left_s: number | null;
  backend: string;
  data: string;
  /** Whether it is a run of this kernel, which can be steered. */
  here: boolean;
  reason: string;
  /** Whether it ended while its own cell was running. */
  in_cell?: boolean;
  /** What is seriously wrong with it, in words; empty where nothing is known to be. */
  alarm?: string;
}

export interface ModelRow {
  name: string;
  type: string;
  backend: string;
  parameters: number;
}

export interface EndpointRow {
  variable: string;
  name: string;
  version: number | string | null;
  server: string;
  page: string;
  curl: string;
  ready: boolean;
  versions: number[];
  serves: number | null;
  requests_s: number | null;
}

export interface Memory {
  kernel_mb: number | null;
  machine_mb: number | null;
}

export interface DeviceRow {
  backend: string;
  name: string;
  description: string;
}

export interface Everything {
  type: "all";
  number: number;
  protocol: number;
  version: string;
  workspace: string;
  runs: RunRow[];
  total: number;
  models: ModelRow[];
  endpoints: EndpointRow[];
  devices: DeviceRow[];
  memory: Memory;
}

export interface Part {
  type: "part";
  number: number;
  runs: RunRow[];
  models?: ModelRow[];
  endpoints?: EndpointRow[];
  devices?: DeviceRow[];
  memory?: Memory;
}

export interface Comparison {
  type: "comparison";
  runs: (RunRow & { count: number })[];
  /** The settings in which they differ: of each run what it was; an older kernel tells none. */
  different?: Record<string, string[]>;
}

export type Frame =
  | Everything
  | Part
  | Comparison
  | { type: "refusal"; protocol: number; version: string }
  | { type: "answer"; words: string; good: boolean }
  | { type: "panel"; run: string; content: Record<string, unknown> };

/** Where a kernel stands: `unloaded` is Python without maasnb, `refused` a maasnb that speaks otherwise. */
export type Mode = "starting" | "foreign" | "unloaded" | "live" | "refused" | "dead";

export class State {
  mode: Mode = "starting";
  language = "";
  /** The protocol and version of a maasnb that cannot be spoken to. */
  refusal: { protocol: number; version: string } | null = null;
  /** Why what is asked waits for a running cell: this kernel has no subshells, or Jupyter is set to use none. */
  waits: "kernel" | "settings" | null = null;
  version = "";
  workspace = "";
  runs: RunRow[] = [];
  total = 0;
  models: ModelRow[] = [];
  endpoints: EndpointRow[] = [];
  devices: DeviceRow[] = [];
  memory: Memory = { kernel_mb: null, machine_mb: null };
  answer: { words: string; good: boolean } | null = null;
  private number = 0;

  /** Forget everything: the kernel is another one now. */
  clear(mode: Mode): void {
    const { language, waits } = this;
    Object.assign(this, new State(), { mode, language, waits });
  }

  /** Take a frame; return false where something was missed, so that everything must be asked for. */
  take(frame: Everything | Part): boolean {
    if (frame.type === "all") {
      const { type: _type, protocol: _protocol, ...told } = frame;
      Object.assign(this, told, { mode: "live" });
      return true;
    }
    if (this.mode === "live" && frame.number !== this.number + 1) return false;
    // A page that came in the midst of a cell shows what it hears, until it is told everything.
    const whole = this.mode === "live";
    this.mode = "live";
    this.number = frame.number;
    for (const row of frame.runs) this.put(row);
    this.models = frame.models ?? this.models;
    this.endpoints = frame.endpoints ?? this.endpoints;
    this.devices = frame.devices ?? this.devices;
    this.memory = frame.memory ?? this.memory;
    return whole;
  }

  get training(): number {
    return this.runs.filter((run) => run.here && run.status === "running").length;
  }

  private put(row: RunRow): void {
    const place = this.runs.findIndex((run) => run.name === row.name);
    if (place >= 0) this.runs[place] = row;
    else {
      this.runs.unshift(row);
      this.total += 1;
    }
  }
}

/** Return the runs whose name, data, framework or status holds every word that was typed. */
export function fitting(runs: readonly RunRow[], typed: string): RunRow[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return runs.filter((run) => {
    const text = `${run.name} ${run.data} ${run.backend} ${run.status}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
