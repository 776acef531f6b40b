/** Tabs that show a run: from its record, without a kernel, or live from the kernel that trains it. */

import { MainAreaWidget } from "@jupyterlab/apputils";
import { ABCWidgetFactory, type DocumentRegistry, DocumentWidget } from "@jupyterlab/docregistry";
import type { Contents } from "@jupyterlab/services";
import type { LabIcon } from "@jupyterlab/ui-components";
import { Widget } from "@lumino/widgets";

import { h } from "../panel/dom";
import type { Frame } from "../panel/protocol";
import type { Link } from "./link";
import { answerOf, type Log, readLog, RecordError, resetOf, statusOf, summaryOf } from "./record";
import type { Comparison } from "./state";
import { statusWord, trans } from "./words";

const MOST_LOG_BYTES = 60_000_000;
const FRESH_MS = 2000;

type Viewing = typeof import("./viewing");
let viewing: Promise<Viewing> | null = null;

/** Where this script came from, and the name of the file with what draws; the build puts both in. */
declare const maasnbBase: string;
declare const VIEWING_FILE: string;

/** Load what draws, once. */
function load(): Promise<Viewing> {
  viewing ??= import(new URL(VIEWING_FILE, maasnbBase).href) as Promise<Viewing>;
  return viewing;
}

/** Show a run by its record; a run that is going on is read again while the tab is seen. */
export class RecordViewer extends Widget {
  private store: InstanceType<Viewing["Store"]> | null = null;
  private view: InstanceType<Viewing["View"]> | null = null;
  private log: Log | null = null;
  private seen = "";
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private context: DocumentRegistry.IContext<DocumentRegistry.IModel>, private contents: Contents.IManager) {
    super();
    this.addClass("maasnb-viewer");
    this.node.tabIndex = -1;
    void context.ready.then(() => this.read());
    context.fileChanged.connect(() => void this.read());
  }

  override dispose(): void {
    clearTimeout(this.timer);
    this.view?.destroy();
    super.dispose();
  }

  protected override onAfterShow(): void {
    if (this.log) void this.read();
  }

  private async read(): Promise<void> {
    clearTimeout(this.timer);
    try {
      await this.readRecord();
    } catch (error) {
      if (this.isDisposed) return;
      const words = error instanceof RecordError ? error.message : trans.__("The record cannot be read: %1", String(error));
      this.view?.destroy();
      this.view = this.store = null;
      this.node.replaceChildren(h("p", { class: "maasnb-told maasnb-bad", role: "alert" }, words));
    }
  }

  private async readRecord(): Promise<void> {
    const summary = summaryOf(this.context.model.toString());
    const path = this.context.path.replace(/run\.json$/, "events.jsonl");
    const found = await this.contents.get(path, { content: false });
    if ((found.size ?? 0) > MOST_LOG_BYTES) {
      throw new RecordError(trans.__("The log of this run is too long for a page. In a notebook type: %maas panel %1", summary.name));
    }
    const stamp = `${found.last_modified} ${found.size} ${summary.status}`;
    if (stamp !== this.seen) {
      this.seen = stamp;
      const log = readLog(String((await this.contents.get(path, { type: "file", format: "text", content: true })).content));
      const status = statusOf(summary, log, Date.parse(found.last_modified), Date.now());
      const { Store, View } = await load();
      if (this.isDisposed) return;
      this.log = log;
      if (!this.store) {
        this.store = new Store({ send: (asked) => this.answer(asked) });
        this.view = new View(this.store);
        this.node.replaceChildren(this.view.element);
      }
      const { frame, buffers } = resetOf(summary, log, status);
      this.store.take(frame, buffers);
    }
    if (summary.status === null) this.timer = setTimeout(() => void this.again(), FRESH_MS);
  }

  private async again(): Promise<void> {
    if (!this.isVisible || this.isDisposed) return;
    await this.context.revert().catch(() => undefined);
    await this.read();
  }

  private answer(asked: Record<string, unknown>): void {
    const told = this.log && answerOf(this.log, asked);
    if (told) this.store?.take(told.frame, told.buffers);
  }
}

/** Make tabs for `run.json`. */
export class RecordFactory extends ABCWidgetFactory<DocumentWidget<RecordViewer>> {
  constructor(options: DocumentRegistry.IWidgetFactoryOptions, private contents: Contents.IManager, private icon: LabIcon) {
    super(options);
  }

  protected override createNewWidget(context: DocumentRegistry.Context): DocumentWidget<RecordViewer> {
    // Its title stays the file's name: to JupyterLab another one is a request to rename the file.
    const tab = new DocumentWidget({ content: new RecordViewer(context, this.contents), context });
    tab.title.icon = this.icon;
    return tab;
  }
}

/** Make a tab for a run that a kernel knows; the kernel tells its frames over the link. */
export async function runTab(link: Link, run: string): Promise<MainAreaWidget> {
  const { Store, View } = await load();
  const content = new Widget();
  content.addClass("maasnb-viewer");
  content.node.tabIndex = -1;
  const store = new Store({ send: (asked) => link.say({ type: "panel", run, content: asked }) });
  const leave = link.panel(run, (frame, buffers) => store.take(frame as unknown as Frame, buffers));
  const end = link.watch(() => {
    if (link.state.mode === "dead" || link.state.mode === "starting") store.lose();
  });
  const view = new View(store);
  content.node.append(view.element);
  content.disposed.connect(() => {
    leave();
    end();
    store.close();
    view.destroy();
  });
  store.hello();
  const tab = new MainAreaWidget({ content });
  tab.title.label = run;
  return tab;
}

/** Make a tab with the losses of several runs in one chart. */
export async function comparisonTab(frame: Comparison): Promise<MainAreaWidget> {
  const { comparison } = await load();
  const content = new Widget();
  content.addClass("maasnb-viewer");
  content.node.tabIndex = -1;
  const runs = frame.runs.map((run) => ({ ...run, words: statusWord(run.status) }));
  const head = [trans.__("run"), trans.__("status"), trans.__("steps"), trans.__("best"), trans.__("time")];
  const made = comparison(runs, frame.different ?? {}, { loss: trans.__("loss by step"), head });
  content.node.append(made.element);
  content.disposed.connect(() => made.destroy());
  requestAnimationFrame(() => made.draw());
  const tab = new MainAreaWidget({ content });
  tab.title.label = trans.__("Comparison");
  return tab;
}
