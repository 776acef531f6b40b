/** The links of all open notebooks, and which one is in front. */

import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import type { Kernel } from "@jupyterlab/services";

import { Link } from "./link";

export class Notebooks {
  private links = new Map<Kernel.IKernelConnection, Link>();
  private watchers = new Set<(link: Link | null) => void>();

  constructor(private tracker: INotebookTracker) {
    tracker.forEach((panel) => this.follow(panel));
    tracker.widgetAdded.connect((_, panel) => this.follow(panel));
    tracker.currentChanged.connect(() => this.tell(null));
  }

  /** The notebook in front. */
  get panel(): NotebookPanel | null {
    return this.tracker.currentWidget;
  }

  /** The link of the notebook in front, null where it has no kernel. */
  get current(): Link | null {
    return this.panel ? this.of(this.panel) : null;
  }

  get all(): Link[] {
    return [...this.links.values()];
  }

  of(panel: NotebookPanel): Link | null {
    const kernel = panel.sessionContext.session?.kernel;
    if (!kernel) return null;
    // Of several notebooks of one kernel, JupyterLab hands comms to the first one alone.
    return this.links.get(kernel) ?? this.all.find((link) => link.kernel.id === kernel.id) ?? null;
  }

  /** Show a link's notebook. */
  panelOf(link: Link): NotebookPanel | null {
    return this.tracker.find((panel) => this.of(panel) === link) ?? null;
  }

  /** Call when something changed: of one link, or which notebook is in front (null). */
  watch(watcher: (link: Link | null) => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  private follow(panel: NotebookPanel): void {
    const context = panel.sessionContext;
    const join = (): void => {
      const kernel = context.session?.kernel;
      if (kernel?.handleComms && !this.links.has(kernel)) {
        const link = new Link(kernel);
        this.links.set(kernel, link);
        link.watch((changed) => this.tell(changed));
      }
      this.tell(null);
    };
    context.kernelChanged.connect((_, { oldValue }) => {
      if (oldValue) {
        this.links.get(oldValue)?.dispose();
        this.links.delete(oldValue);
      }
      join();
    });
    panel.disposed.connect(() => {
      const kernel = [...this.links.keys()].filter((each) => each.isDisposed);
      for (const each of kernel) this.links.delete(each);
      this.tell(null);
    });
    join();
  }

  private tell(link: Link | null): void {
    for (const watcher of [...this.watchers]) watcher(link);
  }
}
