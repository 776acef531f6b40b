/** The words of the extension, in the language that JupyterLab is set to. */

import { clock } from "../panel/format";

/** The part of Jupyter's `TranslationBundle` that is used here. */
export interface Words {
  __(text: string, ...values: (string | number)[]): string;
}

/** Put values where a text says %1, %2, ... */
export function filled(text: string, values: readonly (string | number)[]): string {
  return text.replace(/%(\d)/g, (whole, place: string) => String(values[Number(place) - 1] ?? whole));
}

/** English, until the translator has come. */
export let trans: Words = { __: (text, ...values) => filled(text, values) };

export function speak(words: Words): void {
  trans = words;
}

/** Return a time span in its two largest units. */
export function spanWords(span_s: number): string {
  const [hours, minutes, seconds] = clock(span_s);
  if (hours) return trans.__("%1 h %2 min", hours, minutes);
  return minutes ? trans.__("%1 min %2 s", minutes, seconds) : trans.__("%1 s", seconds);
}

/** Return the word for a run's status. */
export function statusWord(status: string): string {
  const known: Record<string, string> = {
    running: trans.__("training"),
    paused: trans.__("paused"),
    finished: trans.__("finished"),
    stopped: trans.__("stopped"),
    diverged: trans.__("diverged"),
    failed: trans.__("failed"),
    lost: trans.__("its kernel ended"),
    elsewhere: trans.__("training in another kernel"),
  };
  return known[status] ?? status;
}
