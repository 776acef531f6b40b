/** What is told to those who cannot see it. */

import { setText } from "../panel/dom";

export function say(words: string): void {
  const place = document.getElementById("said");
  if (place) setText(place, words);
}
