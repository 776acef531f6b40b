/** Low, mean and high of equal parts of a long row, which are joined in pairs as the row grows. */

export class Buckets {
  width = 1;
  count = 0;
  low: number[] = [];
  mean: number[] = [];
  high: number[] = [];

  /** Begin anew with what a frame holds: three numbers a bucket. */
  reset(width: number, count: number, triples: Float32Array): void {
    this.width = width;
    this.count = 0;
    this.low = [];
    this.mean = [];
    this.high = [];
    this.put(0, width, count, triples);
  }

  /** Put buckets in the place of those from `first` on, all of `width`. */
  put(first: number, width: number, count: number, triples: Float32Array): void {
    while (this.width < width) this.join();
    this.count = count;
    this.low.length = this.mean.length = this.high.length = Math.min(first, this.low.length);
    for (let i = 0; i + 2 < triples.length; i += 3) {
      this.low.push(triples[i] ?? NaN);
      this.mean.push(triples[i + 1] ?? NaN);
      this.high.push(triples[i + 2] ?? NaN);
    }
  }

  /** The step that each bucket is drawn at: its last one. */
  steps(offset = 0): number[] {
    return this.mean.map((_, i) => offset + Math.min((i + 1) * this.width, this.count));
  }

  private join(): void {
    const size = (i: number): number =>
      Math.max(0, Math.min(this.width, this.count - i * this.width));
    const low: number[] = [];
    const mean: number[] = [];
    const high: number[] = [];
    for (let i = 0; i < this.mean.length; i += 2) {
      const pair = i + 1 < this.mean.length;
      const a = size(i);
      const b = pair ? size(i + 1) : 0;
      low.push(pair ? Math.min(this.low[i] ?? NaN, this.low[i + 1] ?? NaN) : (this.low[i] ?? NaN));
      high.push(
        pair ? Math.max(this.high[i] ?? NaN, this.high[i + 1] ?? NaN) : (this.high[i] ?? NaN),
      );
      const sum = (this.mean[i] ?? NaN) * a + (pair ? (this.mean[i + 1] ?? NaN) * b : 0);
      mean.push(sum / Math.max(a + b, 1));
    }
    this.low = low;
    this.mean = mean;
    this.high = high;
    this.width *= 2;
  }
}

/** Return the mean over a window of a share of the values around each, shorter at both ends. */
export function smoothed(values: readonly number[], share: number): number[] {
  const reach = Math.round((values.length * share) / 2);
  const sums = [0];
  const counts = [0];
  values.forEach((value, i) => {
    const good = Number.isFinite(value);
    sums.push((sums[i] ?? 0) + (good ? value : 0));
    counts.push((counts[i] ?? 0) + (good ? 1 : 0));
  });
  return values.map((_, i) => {
    const low = Math.max(0, i - reach);
    const high = Math.min(values.length, i + reach + 1);
    const count = (counts[high] ?? 0) - (counts[low] ?? 0);
    return count ? ((sums[high] ?? 0) - (sums[low] ?? 0)) / count : NaN;
  });
}
