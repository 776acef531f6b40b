/** Which changes of a run a person is told of, and how often at the most. */

import { short } from "../panel/format";
import type { RunRow } from "./state";
import { trans } from "./words";

export interface Notice {
  run: string;
  words: string;
  kind: "success" | "warning" | "error" | "info";
}

const AT_ONCE = 3;
const WINDOW_MS = 30_000;
const ENDED = new Set(["finished", "stopped", "diverged", "failed"]);

/** Return what is told of a run whose row was `before` and is `now`. */
export function noticesOf(before: RunRow | undefined, now: RunRow): Notice[] {
  const found: Notice[] = [];
  if (!before || !now.here) return found;
  if (!ENDED.has(before.status) && ENDED.has(now.status)) {
    const best = now.best ? ` ${now.best[0]} ${short(now.best[1])}` : "";
    if (now.status === "finished") found.push({ run: now.name, words: trans.__("The run %1 has finished.%2", now.name, best), kind: "success" });
    else if (now.status === "stopped") found.push({ run: now.name, words: trans.__("The run %1 was stopped.", now.name), kind: "info" });
    else found.push({ run: now.name, words: trans.__("The run %1 failed: %2", now.name, now.reason || now.status), kind: "error" });
  }
  // Of a run that failed its error says it all.
  const failed = now.status === "failed" || now.status === "diverged";
  if (now.alarm && now.alarm !== before.alarm && !failed) {
    found.push({ run: now.name, words: trans.__("%1: %2", now.name, now.alarm), kind: "warning" });
  }
  return found;
}

/** Let three notices through in half a minute; of the others only their number is told. */
export class Limiter {
  private times: number[] = [];
  private left = 0;

  /** Say whether a notice may be shown at a time, in milliseconds. */
  allows(at: number): boolean {
    this.times = this.times.filter((time) => at - time < WINDOW_MS);
    if (this.times.length >= AT_ONCE) {
      this.left += 1;
      return false;
    }
    this.times.push(at);
    return true;
  }

  /** Return how many were left out since this was last asked. */
  missed(): number {
    const { left } = this;
    this.left = 0;
    return left;
  }
}
