/** The JupyterLab extension: a sidebar of runs, models and endpoints, and the places that lead to it. */

import { type JupyterFrontEnd, type JupyterFrontEndPlugin, ILayoutRestorer } from "@jupyterlab/application";
import { ICommandPalette } from "@jupyterlab/apputils";
import type { DocumentRegistry } from "@jupyterlab/docregistry";
import { ILauncher } from "@jupyterlab/launcher";
import { INotebookTracker } from "@jupyterlab/notebook";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { IStatusBar } from "@jupyterlab/statusbar";
import { ITranslator } from "@jupyterlab/translation";
import { LabIcon } from "@jupyterlab/ui-components";

import { h } from "../panel/dom";
import { Actions, COMMANDS, register } from "./commands";
import iconText from "./icon.svg";
import style from "./lab.css";
import { Notebooks } from "./notebooks";
import { Notices, StatusItem, ToolbarExtension } from "./places";
import { Sidebar } from "./sidebar";
import { RecordFactory } from "./viewer";
import { speak, trans } from "./words";

const ID = "maasnb:plugin";
const FILE_TYPE = "maasnb-run";

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "Runs, models and endpoints of the notebook in front",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator, ICommandPalette, ISettingRegistry, ILauncher, IStatusBar, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null,
    launcher: ILauncher | null,
    statusBar: IStatusBar | null,
    restorer: ILayoutRestorer | null,
  ): void => {
    if (translator) speak(translator.load("maasnb"));
    document.head.append(h("style", {}, style));
    const icon = new LabIcon({ name: "maasnb:logo", svgstr: iconText });
    const notebooks = new Notebooks(tracker);
    const actions = new Actions(app, notebooks, icon);
    register(app, notebooks, actions, icon);

    const sidebar = new Sidebar(notebooks, {
      insert: (sources) => actions.insert(sources),
      newNotebook: () => void actions.newNotebook(),
      openRun: (link, run) => actions.openRun(link, run),
      compare: (link, runs) => actions.compare(link, runs),
    });
    sidebar.title.icon = icon;
    sidebar.title.caption = trans.__("Models");
    // Notebook 7 shows its panels by the words of their titles.
    sidebar.title.label = app.name === "JupyterLab" ? "" : trans.__("Models");
    app.shell.add(sidebar, "right", { rank: 650, type: "Models" });
    restorer?.add(sidebar, sidebar.id);

    statusBar?.registerStatusItem(ID, { item: new StatusItem(notebooks, actions), align: "left", rank: 100 });
    app.docRegistry.addWidgetExtension("Notebook", new ToolbarExtension(notebooks, actions, icon));
    // Among notebooks the launcher shows pictures alone, as kernels have.
    const picture = `data:image/svg+xml,${encodeURIComponent(iconText)}`;
    launcher?.add({ command: COMMANDS.newNotebook, category: trans.__("Notebook"), rank: 50, kernelIconUrl: picture });
    for (const command of Object.values(COMMANDS)) {
      palette?.addItem({ command, category: "maasnb", args: { isPalette: true } });
    }
    showRecords(app, icon);

    const notices = new Notices(notebooks, actions);
    void settings?.load(ID).then((loaded) => {
      const take = (): void => {
        translateSettings(loaded); // what is saved is fetched again
        notices.on = loaded.get("notifications").composite !== false;
      };
      loaded.changed.connect(take);
      take();
    });
  },
};

/** Put the settings' own words into the language of the page: Jupyter translates those of its language packs alone. */
function translateSettings({ schema }: ISettingRegistry.ISettings): void {
  schema.description = trans.__("Runs, models and endpoints of the notebook in front.");
  const notifications = schema.properties?.["notifications"];
  if (!notifications) return;
  notifications.title = trans.__("Notifications");
  notifications.description = trans.__("Tell when a run in the background ends or fails, or when something is seriously wrong with it; at most three in half a minute.");
}

/** Have `run.json` opened as the panel of its run. */
function showRecords(app: JupyterFrontEnd, icon: LabIcon): void {
  app.docRegistry.addFileType({ name: FILE_TYPE, displayName: trans.__("Run"), pattern: "^run\\.json$", extensions: [], mimeTypes: ["application/json"], fileFormat: "text", contentType: "file", icon });
  const factory = new RecordFactory({ name: "maasnb run", label: trans.__("Panel of the run"), fileTypes: [FILE_TYPE], defaultFor: [FILE_TYPE], modelName: "text", readOnly: true }, app.serviceManager.contents, icon);
  // JupyterLab's own types do not fit each other under `exactOptionalPropertyTypes`.
  app.docRegistry.addWidgetFactory(factory as unknown as DocumentRegistry.WidgetFactory);
}

export default [plugin];
