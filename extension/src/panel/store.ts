/** All that a page knows of a run: filled by frames, watched by any number of views. */

import { language } from "../language/translating";
import { Buckets } from "./buckets";
import {
  floats,
  PROTOCOL,
  wholes,
  type About,
  type Append,
  type Examples,
  type Finding,
  type Frame,
  type Histograms,
  type Intervention,
  type Now,
  type Publication,
  type Rate,
  type Reset,
  type Validation,
  type Warning,
} from "./protocol";

/** What a page needs of the kernel. */
export interface Channel {
  send(message: Record<string, unknown>): void;
}

export interface Statistics {
  steps: number[];
  norms: number[][];
  ratios: number[][];
}

const MOST_MEASURED = 512;
const MOST_VALIDATED = 1024;
const FIRST_WAIT_MS = 150;
const LAST_WAIT_MS = 10_000;

/** Return every other one, and the last. */
function halved<T>(row: readonly T[]): T[] {
  return row.filter((_, i) => i % 2 === 0 || i === row.length - 1);
}

export class Store {
  run: About | null = null;
  now: Now | null = null;
  losses = new Buckets();
  detail: { first: number; last: number; buckets: Buckets } | null = null;
  validated: Validation[] = [];
  interventions: Intervention[] = [];
  warnings: Warning[] = [];
  findings: Finding[] = [];
  rates: Rate[] = [];
  parameters: string[] = [];
  measured: Statistics = { steps: [], norms: [], ratios: [] };
  histograms: Histograms | null = null;
  examples: { rows: Examples["rows"]; pictures: DataView[] } | null = null;
  steps: number[] = [];
  publication: Publication | null = null;
  answer: { words: string; good: boolean } | null = null;
  /** Whether buttons answer while a cell runs; null before the kernel has said so. */
  free: boolean | null = null;
  /** The model's id, by which a saved notebook refers to it. */
  model = "";
  /** Whether the kernel is gone. */
  gone = false;

  private number = 0;
  private asked = false;
  private request = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private page = Math.random().toString(36).slice(2);
  private watchers = new Set<() => void>();

  constructor(private channel: Channel) {}

  watch(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  /**
   * Ask for everything, again and again until the kernel answers: a message that is sent before the
   * front end has a way past a running cell waits until that cell has ended.
   */
  hello(): void {
    this.asked = true;
    this.request += 1;
    this.repeat(FIRST_WAIT_MS);
  }

  private repeat(wait: number): void {
    if (!this.asked || this.gone) return;
    this.send({ type: "hello", protocol: PROTOCOL, page: this.page, request: this.request, language: language() });
    clearTimeout(this.timer);
    if (wait <= LAST_WAIT_MS) this.timer = setTimeout(() => this.repeat(2 * wait), wait);
  }

  /** Ask and wait no more. */
  close(): void {
    this.asked = false;
    clearTimeout(this.timer);
  }

  send(message: Record<string, unknown>): void {
    if (this.gone) {
      this.say("The kernel is gone: nothing can be changed any more.", false);
      return;
    }
    try {
      this.channel.send(message);
    } catch {
      this.lose();
    }
  }

  command(action: string, value: number | null = null): void {
    this.send({ type: "command", action, value });
  }

  publish(name: string): void {
    this.send({ type: "publish", name });
  }

  say(words: string, good: boolean): void {
    this.answer = { words, good };
    this.tell();
  }

  lose(): void {
    this.gone = true;
    this.tell();
  }

  /** Take a frame from the kernel. */
  take(frame: Frame, buffers: readonly DataView[]): void {
    switch (frame.type) {
      case "reset":
        this.reset(frame, buffers);
        break;
      case "append":
        if (!this.append(frame, buffers)) return;
        break;
      case "detail": {
        const inner = new Buckets();
        inner.reset(frame.width, frame.count, floats(buffers[0]));
        this.detail = { first: frame.first, last: frame.first + frame.count, buckets: inner };
        break;
      }
      case "answer":
        this.answer = { words: frame.words, good: frame.good };
        break;
      case "front end":
        this.free = frame.free;
        this.model = frame.model;
        break;
      case "steps":
        this.steps = frame.steps;
        break;
      case "findings":
        this.findings = frame.findings;
        break;
      case "histograms":
        this.histograms = frame;
        break;
      case "publication":
        this.publication = frame;
        break;
      case "examples":
        this.examples = { rows: frame.rows, pictures: [...buffers] };
        break;
    }
    this.tell();
  }

  private tell(): void {
    for (const watcher of this.watchers) watcher();
  }

  private reset(frame: Reset, buffers: readonly DataView[]): void {
    this.close();
    this.gone = false;
    this.number = frame.number;
    this.run = frame.run;
    this.now = frame.now;
    this.losses.reset(frame.width, frame.count, floats(buffers[0]));
    this.detail = null;
    this.rates = frame.rates;
    this.validated = frame.validated ?? [];
    this.interventions = frame.interventions ?? [];
    this.warnings = frame.warnings ?? [];
    this.parameters = frame.parameters ?? [];
    this.measured = { steps: [], norms: [], ratios: [] };
    this.measure(frame.measured ?? [], wholes(buffers[1]));
  }

  /** Take what came since; where something was missed, ask for everything. */
  private append(frame: Append, buffers: readonly DataView[]): boolean {
    if (frame.number !== this.number + 1 || this.run === null) {
      if (!this.asked) this.hello();
      return false;
    }
    this.number = frame.number;
    this.now = frame.now;
    this.losses.put(frame.first, frame.width, frame.count, floats(buffers[0]));
    if (frame.now.lr !== null) this.rate(frame.now.step, frame.now.lr);
    this.validated.push(...(frame.validated ?? []));
    if (this.validated.length > MOST_VALIDATED) this.validated = halved(this.validated);
    this.interventions.push(...(frame.interventions ?? []));
    this.warnings.push(...(frame.warnings ?? []));
    if (frame.parameters) {
      if (frame.parameters.join() !== this.parameters.join()) {
        this.measured = { steps: [], norms: [], ratios: [] };
      }
      this.parameters = frame.parameters;
    }
    this.measure(frame.measured ?? [], wholes(buffers[1]));
    return true;
  }

  private rate(step: number, lr: number): void {
    const last = this.rates[this.rates.length - 1];
    const before = this.rates[this.rates.length - 2];
    if (last && before && last[1] === lr && before[1] === lr) last[0] = step;
    else this.rates.push([step, lr]);
    if (this.rates.length > 2048) this.rates = this.rates.filter((_, i) => i % 2 === 0);
  }

  private measure(steps: readonly number[], numbers: Float32Array): void {
    const width = this.parameters.length;
    steps.forEach((step, i) => {
      const start = i * 2 * width;
      this.measured.steps.push(step);
      this.measured.norms.push([...numbers.subarray(start, start + width)]);
      this.measured.ratios.push([...numbers.subarray(start + width, start + 2 * width)]);
    });
    if (this.measured.steps.length > MOST_MEASURED) {
      this.measured.steps = halved(this.measured.steps);
      this.measured.norms = halved(this.measured.norms);
      this.measured.ratios = halved(this.measured.ratios);
    }
  }
}
