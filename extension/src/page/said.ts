/** What is told to those who cannot see it. */

export function say(words: string): void {
  const place = document.getElementById("said");
  if (place) place.textContent = words;
}
