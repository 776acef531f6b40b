/** The frames that the kernel sends, as `maasnb/panels/feed.py` makes them, and how they are read. */

export const PROTOCOL = 1;

export type Status =
  | "running"
  | "paused"
  | "finished"
  | "stopped"
  | "diverged"
  | "failed"
  | "lost"
  | "elsewhere";

export interface About {
  name: string;
  backend: string;
  data: string;
  steps: number;
  steps_per_epoch: number;
  epochs: number;
  metrics: string[];
  origin: { run: string; step: number } | null;
}

export interface Now {
  step: number;
  status: Status;
  loss: number | null;
  lr: number | null;
  seconds: number;
  steps_s: number;
  samples_s: number;
  memory: number | null;
  reason?: string;
}

export type Validation = [step: number, epoch: number, metrics: Record<string, number | null>];
export type Intervention = [
  step: number,
  action: string,
  value: number | string | null,
  source: string,
];
export type Warning = [step: number, message: string];
export type Rate = [step: number, lr: number];

interface Told {
  number: number;
  now: Now;
  width: number;
  count: number;
  validated?: Validation[];
  interventions?: Intervention[];
  warnings?: Warning[];
  parameters?: string[];
  measured?: number[];
}

export interface Reset extends Told {
  type: "reset";
  run: About;
  rates: Rate[];
}

export interface Append extends Told {
  type: "append";
  first: number;
}

export interface Detail {
  type: "detail";
  first: number;
  width: number;
  count: number;
}

export interface Answer {
  type: "answer";
  words: string;
  good: boolean;
}

export interface FrontEnd {
  type: "front end";
  free: boolean;
  model: string;
}

export interface Steps {
  type: "steps";
  steps: number[];
}

export interface Finding {
  severity: string;
  title: string;
  words: string;
}

export interface Findings {
  type: "findings";
  findings: Finding[];
}

export interface Histograms {
  type: "histograms";
  layers: string[];
  layer?: string;
  step?: number;
  low?: number;
  counts?: Record<string, number[]>;
  activations?: Record<string, Record<string, number>>;
}

export interface ExampleRow {
  number: number;
  loss: number;
  seen: number;
  target: string;
  words?: string;
  size?: [width: number, height: number];
}

export interface Examples {
  type: "examples";
  rows: ExampleRow[];
}

export interface Publication {
  type: "publication";
  state: "working" | "done" | "failed";
  words: string;
  url?: string;
  version?: number;
  curl?: string;
}

export type Frame =
  | Reset
  | Append
  | Detail
  | Answer
  | FrontEnd
  | Steps
  | Findings
  | Histograms
  | Examples
  | Publication;

/** Return a buffer's numbers, wherever in its memory it begins. */
export function floats(buffer: DataView | undefined): Float32Array {
  if (!buffer) return new Float32Array(0);
  return new Float32Array(copied(buffer, 4));
}

/** Return numbers that were sent as the upper halves of their float32. */
export function wholes(buffer: DataView | undefined): Float32Array {
  if (!buffer) return new Float32Array(0);
  const halves = new Uint16Array(copied(buffer, 2));
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] ?? 0) << 16;
  return new Float32Array(bits.buffer);
}

function copied(buffer: DataView, size: number): ArrayBuffer {
  const length = buffer.byteLength - (buffer.byteLength % size);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, length).slice().buffer;
}
