/** A run's record read without a kernel: `run.json` and `events.jsonl`, told as the frames of its panel. */

import type { Append, Frame, Intervention, Rate, Reset, Status, Validation, Warning } from "../panel/protocol";
import { trans } from "./words";

const RUN_SCHEMA = 1;
const EVENT_SCHEMA = 1;
const MOST_BUCKETS = 1024;
const MOST_MEASURED = 256;
const RECENT_MS = 60_000;

/** Why a record cannot be shown, in words. */
export class RecordError extends Error {}

export interface Summary {
  name: string;
  status: string | null;
  reason: string;
  backend: string;
  data: string;
  seconds: number;
  origin: { run: string; step: number } | null;
}

interface Measured {
  step: number;
  gradient_norm: Record<string, number>;
  update_ratio: Record<string, number>;
  activations: Record<string, Record<string, number>>;
  histograms: Record<string, number[]>;
}

export interface Log {
  steps: number;
  perEpoch: number;
  step: number;
  losses: number[];
  samples: number;
  rates: Rate[];
  validated: Validation[];
  interventions: Intervention[];
  warnings: Warning[];
  measured: Measured[];
  ended: { status: string; reason: string; seconds: number } | null;
  /** Lines that could not be read; the last one may be torn. */
  torn: number;
}

/** Read `run.json`. */
export function summaryOf(text: string): Summary {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    throw new RecordError(trans.__("This record is torn: run.json ends before its end. The kernel may have been killed while it was written."));
  }
  if (typeof found !== "object" || found === null || !("schema" in found) || !("name" in found) || !("task" in found)) {
    throw new RecordError(trans.__("This file is no record of a run. Open it with another viewer: right click, Open With."));
  }
  const all = found as Record<string, unknown>;
  if (Number(all["schema"]) > RUN_SCHEMA) {
    throw new RecordError(trans.__("This record was written by a newer maasnb (schema %1, known here: %2). Upgrade maasnb where Jupyter runs.", String(all["schema"]), RUN_SCHEMA));
  }
  const data = all["data"] as Record<string, unknown> | undefined;
  const origin = all["origin"] as Summary["origin"] | undefined;
  return {
    name: String(all["name"]),
    status: typeof all["status"] === "string" ? all["status"] : null,
    reason: String(all["reason"] ?? ""),
    backend: String(all["backend"] ?? "?"),
    data: String(data?.["name"] ?? "?"),
    seconds: number(all["seconds"]) || 0,
    origin: origin ?? null,
  };
}

function number(value: unknown): number {
  if (typeof value === "number") return value;
  if (value === "inf") return Infinity;
  if (value === "-inf") return -Infinity;
  return NaN;
}

function finite(value: unknown): number | null {
  const found = number(value);
  return Number.isFinite(found) ? found : null;
}

/** Read `events.jsonl`; torn lines and kinds that are not known are left out. */
export function readLog(text: string): Log {
  const log: Log = { steps: 0, perEpoch: 0, step: 0, losses: [], samples: 0, rates: [], validated: [], interventions: [], warnings: [], measured: [], ended: null, torn: 0 };
  for (const line of text.split("\n")) {
    if (!line.trim()) continue;
    let event: Record<string, unknown>;
    try {
      event = JSON.parse(line) as Record<string, unknown>;
    } catch {
      log.torn += 1;
      continue;
    }
    take(log, event);
  }
  return log;
}

function take(log: Log, event: Record<string, unknown>): void {
  const step = Number(event["step"] ?? 0);
  log.step = step;
  switch (event["event"]) {
    case "started":
      if (Number(event["schema"] ?? 1) > EVENT_SCHEMA) {
        throw new RecordError(trans.__("This record was written by a newer maasnb (schema %1, known here: %2). Upgrade maasnb where Jupyter runs.", String(event["schema"]), EVENT_SCHEMA));
      }
      log.steps = Number(event["steps"] ?? 0);
      log.perEpoch = Number(event["steps_per_epoch"] ?? 0);
      log.ended = null;
      break;
    case "stepped":
      for (const loss of event["losses"] as unknown[]) log.losses.push(number(loss));
      log.samples += Number(event["samples"] ?? 0);
      rate(log, step, number(event["lr"]));
      break;
    case "validated": {
      const metrics = Object.entries(event["metrics"] as Record<string, unknown>).map(([name, value]) => [name, finite(value)] as const);
      log.validated.push([step, Number(event["epoch"] ?? 0), Object.fromEntries(metrics)]);
      break;
    }
    case "measured":
      log.measured.push({ activations: {}, histograms: {}, ...event, step } as unknown as Measured);
      break;
    case "intervened":
      log.interventions.push([step, String(event["action"]), (event["value"] ?? null) as number | string | null, String(event["source"] ?? "python")]);
      if (event["action"] === "rollback") goBack(log, Number(event["value"] ?? 0));
      break;
    case "warned":
      log.warnings.push([step, String(event["message"] ?? "")]);
      break;
    case "ended":
      log.ended = { status: String(event["status"]), reason: String(event["reason"] ?? ""), seconds: number(event["seconds"]) };
      break;
  }
}

function rate(log: Log, step: number, lr: number): void {
  const last = log.rates[log.rates.length - 1];
  const before = log.rates[log.rates.length - 2];
  if (last && before && last[1] === lr && before[1] === lr) last[0] = step;
  else log.rates.push([step, lr]);
}

function goBack(log: Log, step: number): void {
  log.step = step;
  log.losses.length = Math.min(log.losses.length, step);
  log.rates = log.rates.filter((each) => each[0] <= step);
  log.validated = log.validated.filter((each) => each[0] <= step);
  log.measured = log.measured.filter((each) => each.step <= step);
}

/** Return how a run stands, of which only the record is here. */
export function statusOf(summary: Summary, log: Log, changed: number, now: number): Status {
  const told = summary.status ?? log.ended?.status;
  if (told && told !== "running" && told !== "paused") return told as Status;
  return now - changed < RECENT_MS ? "elsewhere" : "lost";
}

/** Return low, mean and high of equal parts of some losses. */
export function bucketsOf(losses: readonly number[]): { width: number; triples: Float32Array } {
  let width = 1;
  while (losses.length > MOST_BUCKETS * width) width *= 2;
  const triples = new Float32Array(3 * Math.ceil(losses.length / width));
  for (let i = 0; i * width < losses.length; i++) {
    let [low, high, sum] = [Infinity, -Infinity, 0];
    const end = Math.min((i + 1) * width, losses.length);
    for (let j = i * width; j < end; j++) {
      const loss = losses[j] ?? NaN;
      low = loss < low || Number.isNaN(loss) ? loss : low;
      high = loss > high || Number.isNaN(loss) ? loss : high;
      sum += loss;
    }
    triples.set([low, sum / (end - i * width), high], 3 * i);
  }
  return { width, triples };
}

function statistics(measured: readonly Measured[], names: readonly string[]): DataView {
  const values = measured.flatMap((each) => [each.gradient_norm, each.update_ratio].flatMap((row) => names.map((name) => number(row[name]))));
  const bits = new Uint32Array(new Float32Array(values).buffer);
  return new DataView(Uint16Array.from(bits, (each) => each >>> 16).buffer);
}

/** Return everything of a record as the frame that a panel begins with. */
export function resetOf(summary: Summary, log: Log, status: Status): { frame: Reset; buffers: DataView[] } {
  const { width, triples } = bucketsOf(log.losses);
  const stride = Math.max(1, Math.ceil(log.measured.length / MOST_MEASURED));
  const measured = log.measured.filter((_, i) => i % stride === 0 || i === log.measured.length - 1);
  const parameters = Object.keys(measured[measured.length - 1]?.gradient_norm ?? {});
  const seen = new Set(log.validated.flatMap((each) => Object.keys(each[2])));
  const seconds = summary.seconds || log.ended?.seconds || 0;
  const torn = log.torn ? [[log.step, trans.__("%1 lines of the log are torn and were left out.", log.torn)] as Warning] : [];
  const now: Append["now"] = {
    step: log.step,
    status,
    loss: finite(log.losses[log.losses.length - 1]),
    lr: log.rates[log.rates.length - 1]?.[1] ?? null,
    seconds,
    steps_s: 0,
    samples_s: 0,
    memory: null,
  };
  const said = summary.reason || log.ended?.reason;
  // The usual one; others stay as the kernel wrote them.
  const reason = said === "stopped by hand" ? trans.__("stopped by hand") : said;
  return {
    frame: {
      type: "reset",
      number: 0,
      run: {
        name: summary.name,
        backend: summary.backend,
        data: summary.data,
        steps: log.steps,
        steps_per_epoch: log.perEpoch,
        epochs: log.perEpoch ? Math.floor(log.steps / log.perEpoch) : 0,
        metrics: [...seen].filter((name) => name !== "loss"),
        origin: summary.origin,
      },
      now: reason ? { ...now, reason } : now,
      width,
      count: log.losses.length,
      rates: log.rates,
      validated: log.validated,
      interventions: log.interventions,
      warnings: [...log.warnings, ...torn],
      parameters,
      measured: measured.map((each) => each.step),
    },
    buffers: [new DataView(triples.buffer), statistics(measured, parameters)],
  };
}

/** Answer what a panel asks for, as the kernel would, from the record alone; null where it cannot be told. */
export function answerOf(log: Log, asked: Record<string, unknown>): { frame: Frame; buffers: DataView[] } | null {
  switch (asked["type"]) {
    case "hello":
      return null;
    case "detail": {
      const first = Number(asked["first"]);
      const part = log.losses.slice(first, Number(asked["last"]));
      const { width, triples } = bucketsOf(part);
      return { frame: { type: "detail", first, width, count: part.length }, buffers: [new DataView(triples.buffer)] };
    }
    case "histograms":
      return { frame: histogramsOf(log, asked["layer"]), buffers: [] };
    case "steps":
      return { frame: { type: "steps", steps: [] }, buffers: [] };
    case "findings":
      return { frame: { type: "findings", findings: [] }, buffers: [] };
    case "examples":
      return { frame: { type: "examples", rows: [] }, buffers: [] };
    case "publish":
      return { frame: { type: "publication", state: "failed", words: needsKernel() }, buffers: [] };
    default:
      return { frame: { type: "answer", words: needsKernel(), good: false }, buffers: [] };
  }
}

function needsKernel(): string {
  return trans.__("This is the record alone, read without a kernel. Open a notebook of this workspace to go on.");
}

function histogramsOf(log: Log, layer: unknown): Frame {
  const full = [...log.measured].reverse().find((each) => Object.keys(each.histograms).length);
  if (!full) return { type: "histograms", layers: [] };
  const layers = [...new Set(Object.keys(full.histograms).map((name) => name.slice(name.indexOf("/") + 1)))];
  const chosen = layers.includes(String(layer)) ? String(layer) : (layers[0] ?? "");
  const counts: Record<string, number[]> = {};
  for (const kind of ["weight", "gradient", "activation"]) {
    const found = full.histograms[`${kind}/${chosen}`];
    if (found) counts[kind] = found;
  }
  return { type: "histograms", layers, layer: chosen, step: full.step, low: -24, counts, activations: full.activations };
}
