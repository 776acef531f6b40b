/** The cells that the extension writes, and which one comes next. */

import type { State } from "./state";
import { trans } from "./words";

export type Template = "load" | "build" | "train" | "publish" | "doctor";

/** Return the source of a cell, with the names that are there already. */
export function sourceOf(template: Template, state: State | null): string {
  const model = state?.models[0]?.name ?? "net";
  const run = state?.runs.find((each) => each.here);
  const data = run?.data ?? "digits";
  switch (template) {
    case "load":
      return "%load_ext maasnb";
    case "build":
      return '%%maas build net\nDense(64, "relu")\nDropout(0.1)\nDense(10)';
    case "train":
      return `%maas train ${model} ${data} --epochs 15`;
    case "publish":
      return `%maas publish run ${data}`;
    case "doctor":
      return "%maas doctor";
  }
}

export interface Next {
  words: string;
  button: string;
  sources: string[];
}

/** Return what to do next where there is nothing to see, or null. */
export function nextStep(state: State): Next | null {
  if (state.mode === "unloaded") {
    return {
      words: trans.__("maasnb is not loaded in this kernel."),
      button: trans.__("Insert the cell that loads it"),
      sources: [sourceOf("load", state)],
    };
  }
  if (state.mode !== "live") return null;
  if (!state.models.length && !state.runs.some((run) => run.here)) {
    return {
      words: trans.__("No model yet in this kernel. Begin with data and layers."),
      button: trans.__("Insert cells that build one"),
      sources: ["%maas data digits", sourceOf("build", state)],
    };
  }
  if (!state.runs.some((run) => run.here)) {
    return {
      words: trans.__("%1 has not been trained yet.", state.models[0]?.name ?? ""),
      button: trans.__("Insert a cell that trains it"),
      sources: [sourceOf("train", state)],
    };
  }
  if (!state.endpoints.length && !state.training) {
    return {
      words: trans.__("Nothing is published from this notebook yet."),
      button: trans.__("Insert a cell that publishes"),
      sources: [sourceOf("publish", state)],
    };
  }
  return null;
}

/** Return a new notebook that goes from data to an endpoint. */
export function newNotebook(kernel: string): Record<string, unknown> {
  const loads = kernel === "maasnb" ? [] : ["%load_ext maasnb"];
  const markdown = (source: string): Record<string, unknown> => ({ cell_type: "markdown", metadata: {}, source });
  const code = (source: string): Record<string, unknown> => ({ cell_type: "code", execution_count: null, metadata: {}, outputs: [], source });
  return {
    cells: [
      markdown(`# ${trans.__("A model as a service")}`),
      ...loads.map(code),
      markdown(trans.__("Data: a name, or your own arrays with `mb.data(x, y)`.")),
      code("%maas data digits"),
      markdown(trans.__("A model: one layer a line.")),
      code(sourceOf("build", null)),
      markdown(trans.__("Training: watch it, pause it, change its learning rate.")),
      code(sourceOf("train", null)),
      markdown(trans.__("What is wrong with it, if anything, and how good it is.")),
      code("%maas inspect run"),
      code("%maas evaluate run"),
      markdown(trans.__("Published: an endpoint with a version, a page and a command line.")),
      code(sourceOf("publish", null)),
      code("print(endpoint.curl())"),
    ],
    metadata: { kernelspec: { name: kernel, display_name: kernel === "maasnb" ? "Python (maasnb)" : "Python 3" } },
    nbformat: 4,
    nbformat_minor: 4,
  };
}
