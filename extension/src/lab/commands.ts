/** The commands of the extension, as the palette, the menu, the launcher and the shortcuts find them. */

import type { JupyterFrontEnd } from "@jupyterlab/application";
import { Notification } from "@jupyterlab/apputils";
import { NotebookActions } from "@jupyterlab/notebook";
import type { LabIcon } from "@jupyterlab/ui-components";
import type { Widget } from "@lumino/widgets";

import { newNotebook, sourceOf, type Template } from "./cells";
import type { Link } from "./link";
import type { Notebooks } from "./notebooks";
import { comparisonTab, runTab } from "./viewer";
import { trans } from "./words";

const LEAST_TO_SPLIT_PX = 640;

export const SIDEBAR = "maasnb-sidebar";

/** The ids of the commands; `schema/plugin.json` names them too. */
export const COMMANDS = {
  show: "maasnb:show",
  newNotebook: "maasnb:new-notebook",
  load: "maasnb:insert-load",
  build: "maasnb:insert-build",
  train: "maasnb:insert-train",
  publish: "maasnb:insert-publish",
  runs: "maasnb:open-runs",
  startServer: "maasnb:start-server",
  stopServer: "maasnb:stop-server",
  doctor: "maasnb:doctor",
} as const;

export class Actions {
  constructor(private app: JupyterFrontEnd, private notebooks: Notebooks, private icon: LabIcon) {}

  show(): void {
    this.app.shell.activateById(SIDEBAR);
  }

  /** Insert cells below the one that is active in the notebook in front; the last one is then active. */
  insert(sources: readonly string[]): void {
    const panel = this.notebooks.panel;
    if (!panel) return;
    const { content } = panel;
    for (const source of sources) {
      const active = content.activeCell;
      const blank = active?.model.type === "code" && !active.model.sharedModel.getSource().trim();
      if (!blank) NotebookActions.insertBelow(content);
      content.activeCell?.model.sharedModel.setSource(source);
    }
    this.app.shell.activateById(panel.id);
    if (content.activeCell) void content.scrollToItem(content.activeCellIndex);
  }

  insertTemplate(template: Template): void {
    this.insert([sourceOf(template, this.notebooks.current?.state ?? null)]);
  }

  /** Make a notebook from the template, beside the one in front or where the file browser is. */
  async newNotebook(folder?: string): Promise<void> {
    const { contents, kernelspecs } = this.app.serviceManager;
    await kernelspecs.ready;
    const kernel = kernelspecs.specs?.kernelspecs["maasnb"] ? "maasnb" : "python3";
    const made = await contents.newUntitled({ path: folder ?? this.folder(), type: "notebook" });
    await contents.save(made.path, { type: "notebook", format: "json", content: newNotebook(kernel) });
    await this.app.commands.execute("docmanager:open", { path: made.path, factory: "Notebook", kernel: { name: kernel } });
  }

  openRun(link: Link, run: string): void {
    void runTab(link, run).then((tab) => {
      tab.id = `maasnb-run-${run}`;
      this.add(tab);
    });
  }

  compare(link: Link, runs: readonly string[]): void {
    link.onComparison = (frame) => {
      link.onComparison = null;
      void comparisonTab(frame).then((tab) => {
        tab.id = `maasnb-comparison-${Date.now()}`;
        this.add(tab);
      });
    };
    link.say({ type: "compare", runs: [...runs] });
  }

  /** Show the folder of the runs in the file browser. */
  async openRuns(): Promise<void> {
    const path = [this.folder(), "maas", "runs"].filter(Boolean).join("/");
    try {
      await this.app.serviceManager.contents.get(path, { content: false });
      await this.app.commands.execute("filebrowser:go-to-path", { path, dontShowBrowser: false });
    } catch {
      Notification.info(trans.__("There are no runs at %1 yet. The sidebar shows those of the kernel.", path));
      this.show();
    }
  }

  server(action: "start" | "stop"): void {
    const link = this.notebooks.current;
    if (link?.state.mode !== "live") {
      Notification.warning(trans.__("Open a notebook that has loaded maasnb: its kernel starts and stops the server."));
      return;
    }
    this.show();
    link.say({ type: "server", action });
  }

  async doctor(): Promise<void> {
    this.insertTemplate("doctor");
    await this.app.commands.execute("notebook:run-cell");
  }

  private add(tab: Widget): void {
    const { shell } = this.app;
    tab.title.icon = this.icon;
    // Beside the notebook where there is room for two.
    const room = shell.currentWidget?.node.clientWidth ?? 0;
    if (![...shell.widgets("main")].some((each) => each.id === tab.id)) shell.add(tab, "main", { mode: room < LEAST_TO_SPLIT_PX ? "tab-after" : "split-right" });
    else tab.dispose();
    shell.activateById(tab.id);
  }

  private folder(): string {
    const path = this.notebooks.panel?.context.path ?? "";
    return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
  }
}

/** Register the commands. */
export function register(app: JupyterFrontEnd, notebooks: Notebooks, actions: Actions, icon: LabIcon): void {
  const { commands } = app;
  const open = (): boolean => notebooks.panel !== null;
  const caption = trans.__("A notebook that goes from data to an endpoint");
  commands.addCommand(COMMANDS.show, { label: trans.__("Show models and runs"), icon, execute: () => actions.show() });
  commands.addCommand(COMMANDS.newNotebook, {
    label: (args) => (args["isPalette"] ? trans.__("New maasnb notebook") : trans.__("maasnb notebook")),
    caption,
    icon: (args) => (args["isPalette"] ? undefined : icon),
    execute: (args) => actions.newNotebook(typeof args["cwd"] === "string" ? args["cwd"] : undefined),
  });
  const inserts: [string, Template, string][] = [
    [COMMANDS.load, "load", trans.__("Insert the cell that loads maasnb")],
    [COMMANDS.build, "build", trans.__("Insert a build cell")],
    [COMMANDS.train, "train", trans.__("Insert a train cell")],
    [COMMANDS.publish, "publish", trans.__("Insert a publish cell")],
  ];
  for (const [id, template, label] of inserts) {
    commands.addCommand(id, { label, isEnabled: open, execute: () => actions.insertTemplate(template) });
  }
  commands.addCommand(COMMANDS.runs, { label: trans.__("Open the runs of this workspace"), execute: () => actions.openRuns() });
  commands.addCommand(COMMANDS.startServer, { label: trans.__("Start the local server"), isEnabled: open, execute: () => actions.server("start") });
  commands.addCommand(COMMANDS.stopServer, { label: trans.__("Stop the local server"), isEnabled: open, execute: () => actions.server("stop") });
  commands.addCommand(COMMANDS.doctor, { label: trans.__("Check this environment (doctor)"), isEnabled: open, execute: () => actions.doctor() });
}
