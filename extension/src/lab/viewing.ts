/** What draws a run: the panel's own front end, loaded when a run is first opened. */

import plotStyle from "uplot/dist/uPlot.min.css";

import { languageOf, speak } from "../language/translating";
import { Chart } from "../panel/chart";
import { h, table } from "../panel/dom";
import { duration, short, whole } from "../panel/format";
import panelStyle from "../panel/panel.css";
import { keyOf } from "../panel/sections";
import { Store } from "../panel/store";
import { DASHES, isDark, onTheme } from "../panel/theme";
import { View } from "../panel/view";

export { Store, View };

// This file has texts of its own, of the panel; JupyterLab notes its language there.
speak(languageOf(document.documentElement.lang));

document.head.append(h("style", {}, `${plotStyle}\n${panelStyle}`));

export interface Compared {
  name: string;
  status: string;
  count: number;
  curve: (number | null)[];
  best: [name: string, value: number | null] | null;
  seconds: number;
  words: string;
}

/** Make one chart and one table of several runs; return it and what ends it. */
export function comparison(runs: readonly Compared[], different: Readonly<Record<string, string[]>>, words: { loss: string; head: string[] }): { element: HTMLElement; draw: () => void; destroy: () => void } {
  const chart = new Chart({
    label: words.loss,
    height: 320,
    log: runs.every((run) => run.curve.every((value) => value === null || value > 0)),
    lines: runs.map((run, i) => ({ label: run.name, colour: (colours) => colours.series[i % colours.series.length] ?? "#0072b2", dash: DASHES[i % DASHES.length] ?? [], width: 2 })),
  });
  const key = runs.map((run, i) => keyOf(run.name, `var(--mb-series-${(i % 7) + 1})`, DASHES[i % DASHES.length] ?? []));
  const rows = runs.map((run, i) => [run.name, ...Object.values(different).map((values) => values[i] ?? ""), run.words, whole(run.count), run.best && run.best[1] !== null ? `${run.best[0]} ${short(run.best[1])}` : "", duration(run.seconds)]);
  const [first = "", ...others] = words.head;
  const summary = table(words.loss, [first, ...Object.keys(different), ...others], rows);
  summary.classList.add("maasnb-table");
  // What the runs were told differently stands out: it is what may explain their losses.
  for (const row of summary.querySelectorAll("tr")) {
    for (const cell of [...row.children].slice(1, 1 + Object.keys(different).length)) cell.classList.add("maasnb-differs");
  }
  const element = h("section", { class: "maasnb-panel" }, h("div", { class: "mb-head" }, h("h4", {}, words.loss), ...key), chart.element, summary);
  const draw = (): void => {
    element.classList.toggle("mb-dark", isDark(element.parentElement ?? element));
    const tables = runs.map((run) => {
      const stride = run.count / Math.max(run.curve.length, 1);
      return { x: run.curve.map((_, i) => Math.min(Math.round((i + 1) * stride), run.count)), y: [run.curve.map((value) => value)] };
    });
    chart.show(tables, Math.max(...runs.map((run) => run.count)), []);
    chart.rebuild();
  };
  const end = onTheme(draw);
  return {
    element,
    draw,
    destroy: () => {
      end();
      chart.destroy();
    },
  };
}
