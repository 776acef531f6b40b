/** The small places: the status bar's item, the toolbar's button, and notifications. */

import { Notification } from "@jupyterlab/apputils";
import type { DocumentRegistry } from "@jupyterlab/docregistry";
import type { INotebookModel, NotebookPanel } from "@jupyterlab/notebook";
import { type LabIcon, ToolbarButton } from "@jupyterlab/ui-components";
import { Widget } from "@lumino/widgets";

import { h, setText } from "../panel/dom";
import type { Actions } from "./commands";
import type { Link } from "./link";
import type { Notebooks } from "./notebooks";
import { Limiter, noticesOf } from "./notices";
import type { RunRow } from "./state";
import { trans } from "./words";

/** Return what the status bar says of all open notebooks; empty where there is nothing to say. */
export function summaryOf(states: readonly { training: number; endpoints: readonly { ready: boolean; server: string; name: string }[] }[]): string {
  const training = states.reduce((sum, state) => sum + state.training, 0);
  const endpoints = new Map(states.flatMap((state) => state.endpoints.map((each) => [`${each.server} ${each.name}`, each.ready] as const)));
  const gone = [...endpoints.values()].filter((ready) => !ready).length;
  const words = [
    training ? trans.__("%1 training", training) : "",
    endpoints.size - gone ? trans.__("%1 served", endpoints.size - gone) : "",
    gone ? trans.__("%1 not answering", gone) : "",
  ];
  return words.filter(Boolean).join(" · ");
}

export class StatusItem extends Widget {
  constructor(private notebooks: Notebooks, actions: Actions) {
    super();
    const button = h("button", { type: "button", class: "maasnb-statusbar", title: trans.__("Show models and runs"), click: () => actions.show() });
    this.node.append(button);
    const update = (): void => {
      const words = summaryOf(this.notebooks.all.map((link) => link.state));
      setText(button, words);
      this.setHidden(!words);
    };
    notebooks.watch(update);
    update();
  }
}

/** Give each notebook a button that opens the sidebar, seen once its kernel has loaded maasnb. */
export class ToolbarExtension implements DocumentRegistry.IWidgetExtension<NotebookPanel, INotebookModel> {
  constructor(private notebooks: Notebooks, private actions: Actions, private icon: LabIcon) {}

  createNew(panel: NotebookPanel): ToolbarButton {
    const button = new ToolbarButton({ icon: this.icon, tooltip: trans.__("Show models and runs"), onClick: () => this.actions.show() });
    button.addClass("maasnb-toolbar");
    const update = (): void => button.setHidden(this.notebooks.of(panel)?.state.mode !== "live");
    const end = this.notebooks.watch(update);
    panel.disposed.connect(() => {
      end();
      button.dispose();
    });
    update();
    panel.toolbar.insertItem(10, "maasnb", button);
    return button;
  }
}

/** Tell of runs that ended or are seriously wrong, unless they end before everybody's eyes. */
export class Notices {
  on = true;
  private limiter = new Limiter();
  private before = new Map<Link, Map<string, RunRow>>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private notebooks: Notebooks, private actions: Actions) {
    notebooks.watch((link) => link && this.look(link));
  }

  private look(link: Link): void {
    if (link.state.mode !== "live") {
      this.before.delete(link);
      return;
    }
    const known = this.before.get(link);
    this.before.set(link, new Map(link.state.runs.map((row) => [row.name, row])));
    const watched = link === this.notebooks.current && document.visibilityState === "visible";
    if (!known || !this.on) return;
    for (const row of link.state.runs) {
      for (const notice of noticesOf(known.get(row.name), row)) {
        // What ended in its own cell, in front of the person, needs no notice.
        if (watched && row.in_cell && notice.kind !== "error" && notice.kind !== "warning") continue;
        this.show(link, notice);
      }
    }
  }

  private show(link: Link, notice: ReturnType<typeof noticesOf>[number]): void {
    if (!this.limiter.allows(Date.now())) {
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        Notification.info(trans.__("%1 more things happened to runs; the sidebar shows them.", this.limiter.missed()));
      }, 30_000);
      return;
    }
    const actions = [{ label: trans.__("Open the panel"), callback: () => this.actions.openRun(link, notice.run) }];
    const type = notice.kind === "info" ? "default" : notice.kind;
    Notification.emit(notice.words, type, { autoClose: 8000, actions });
  }
}
