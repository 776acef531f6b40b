/** The colours of the page's theme, for what is drawn on a canvas. */

export interface Colours {
  text: string;
  faint: string;
  line: string;
  back: string;
  training: string;
  validation: string;
  metric: string;
  mark: string;
  series: string[];
  font: string;
}

/** Dash patterns, so that no line is told by its colour alone. */
export const DASHES: number[][] = [[], [7, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 2], [1, 3]];

/** Read the colours that `panel.css` gives an element. */
export function coloursOf(element: HTMLElement): Colours {
  const style = getComputedStyle(element);
  const named = (name: string, otherwise: string): string =>
    style.getPropertyValue(name).trim() || otherwise;
  return {
    text: named("--mb-text", "#222"),
    faint: named("--mb-faint", "#595959"),
    line: named("--mb-grid", "#ddd"),
    back: named("--mb-back", "#fff"),
    training: named("--mb-training", "#0072B2"),
    validation: named("--mb-validation", "#D55E00"),
    metric: named("--mb-metric", "#009E73"),
    mark: named("--mb-mark", "#8a4a79"),
    series: [1, 2, 3, 4, 5, 6, 7].map((n) => named(`--mb-series-${n}`, "#0072B2")),
    font: `11px ${named("--mb-font", "system-ui, sans-serif")}`,
  };
}

/** Call `changed` when the page's theme changes; return what ends that. */
export function onTheme(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  const options = { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "data-jp-theme-name"] };
  observer.observe(document.body, options);
  observer.observe(document.documentElement, options);
  const media = window.matchMedia?.("(prefers-color-scheme: dark)");
  media?.addEventListener?.("change", changed);
  return () => {
    observer.disconnect();
    media?.removeEventListener?.("change", changed);
  };
}

/** Say whether the page behind an element is dark. */
export function isDark(element: HTMLElement): boolean {
  const told = document.body.getAttribute("data-jp-theme-light");
  if (told !== null) return told === "false";
  if (document.body.classList.contains("vscode-dark")) return true;
  if (document.body.classList.contains("vscode-light")) return false;
  for (let each: HTMLElement | null = element; each; each = each.parentElement) {
    const found = /rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)/.exec(getComputedStyle(each).backgroundColor);
    if (found && found[4] !== "0") return Number(found[1]) + Number(found[2]) + Number(found[3]) < 384;
  }
  return window.matchMedia?.("(prefers-color-scheme: dark)").matches ?? false;
}
