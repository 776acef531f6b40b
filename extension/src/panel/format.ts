/** Numbers and times as people write them. */

/** Return a number with three significant digits. */
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) {
    return value.toExponential(1).replace("e+", "e").replace(".0e", "e");
  }
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  const text = value.toPrecision(3);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** Return the whole hours, minutes and seconds of a time span. */
export function clock(seconds: number): [hours: number, minutes: number, seconds: number] {
  const all = Math.max(0, Math.round(seconds));
  return [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
}

/** Return a time span in its two largest units. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  const [hours, minutes, rest] = clock(seconds);
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${rest} s` : `${rest} s`;
}

export function megabytes(value: number | null): string {
  if (value === null) return "–";
  return value < 1000 ? `${Math.round(value)} MB` : `${(value / 1000).toPrecision(3)} GB`;
}

const STEPS = [1, 2, 5];

/** Return the next learning rate of 1, 2, 5, 10, ... above or below; it is always positive. */
export function nextRate(lr: number, up: boolean): number {
  const power = Math.floor(Math.log10(lr) + 1e-9);
  const rates: number[] = [];
  for (let p = power - 1; p <= power + 1; p++) {
    for (const step of STEPS) rates.push(Number(`${step}e${p}`));
  }
  const near = 1e-6;
  const found = up
    ? rates.find((rate) => rate > lr * (1 + near))
    : rates.reverse().find((rate) => rate < lr * (1 - near));
  return found ?? (up ? lr * 2 : lr / 2);
}

/** Return the positive number that was typed, or null. */
export function typedRate(text: string): number | null {
  const value = Number(text.trim().replace(",", "."));
  return text.trim() !== "" && Number.isFinite(value) && value > 0 ? value : null;
}

/** Return a learning rate as it is typed. */
export function rateText(lr: number): string {
  return lr >= 1e-4 && lr < 1e4 ? String(Number(lr.toPrecision(4))) : lr.toExponential().replace("+", "");
}

const VERBS: Record<string, string> = {
  pause: "paused",
  resume: "resumed",
  stop: "stopped",
  checkpoint: "checkpoint",
  rollback: "rolled back",
  fork: "forked",
};

/** Return an intervention in words. */
export function deed(action: string, value: number | string | null): string {
  if (action === "lr" && typeof value === "number") return `lr ${rateText(value)}`;
  if (action === "rollback") return `rolled back to step ${whole(Number(value))}`;
  return VERBS[action] ?? action;
}
