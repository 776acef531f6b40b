/**
 * What a notebook that is saved with a live panel shows when it is opened without its kernel: a
 * picture of the panel, kept in the notebook's metadata as the widget state that JupyterLab looks up.
 */

export interface Snapshot {
  model: string;
  version: string;
  picture: string;
  words: string;
}

interface Saved {
  getMetadata(key: string): unknown;
  setMetadata(key: string, value: unknown): void;
  deleteMetadata(key: string): void;
}

type Slot = (sender: unknown, state: string) => void;

interface Context {
  model: Saved;
  saveState: { connect(slot: Slot): boolean; disconnect(slot: Slot): boolean };
}

interface WidgetState {
  version_major: number;
  version_minor: number;
  state: Record<string, unknown>;
}

const KIND = "application/vnd.jupyter.widget-state+json";

/** The whole front end of a picture: it needs no kernel. */
const STILL = `export default { render({ model, el }) {
  const picture = document.createElement("img");
  picture.src = model.get("picture");
  picture.alt = model.get("words");
  picture.style.maxWidth = "100%";
  const words = document.createElement("p");
  words.textContent = model.get("words");
  el.append(words, picture);
} };`;

/** Return the document behind a widget manager, where the front end has one. */
function contextOf(manager: unknown): Context | null {
  const context = (manager as { context?: Partial<Context> } | null)?.context;
  return context?.saveState && context.model ? (context as Context) : null;
}

/** Return a notebook's widget states with one model put in or taken out. */
export function withState(before: unknown, snapshot: Snapshot | null, model: string): Record<string, unknown> | null {
  const kinds = { ...(before as Record<string, unknown> | undefined) };
  const present = (kinds[KIND] as WidgetState | undefined)?.state ?? {};
  const layout = `${model}-layout`;
  const state = Object.fromEntries(Object.entries(present).filter(([id]) => id !== model && id !== layout));
  if (snapshot) {
    state[layout] = {
      model_name: "LayoutModel",
      model_module: "@jupyter-widgets/base",
      model_module_version: "2.0.0",
      state: {},
    };
    state[model] = {
      model_name: "AnyModel",
      model_module: "anywidget",
      model_module_version: snapshot.version,
      state: {
        _anywidget_id: "maasnb.still",
        _esm: STILL,
        _model_module: "anywidget",
        _model_module_version: snapshot.version,
        _model_name: "AnyModel",
        _view_module: "anywidget",
        _view_module_version: snapshot.version,
        _view_name: "AnyView",
        layout: `IPY_MODEL_${layout}`,
        picture: snapshot.picture,
        words: snapshot.words,
      },
    };
  }
  if (Object.keys(state).length) kinds[KIND] = { version_major: 2, version_minor: 0, state };
  else delete kinds[KIND];
  return Object.keys(kinds).length ? kinds : null;
}

/** Keep a picture with every save as long as the model lives; return what ends that. */
export function keepOnSave(manager: unknown, take: () => Snapshot | null): () => void {
  const context = contextOf(manager);
  if (!context) return () => undefined;
  let kept = "";
  const write = (snapshot: Snapshot | null, model: string): void => {
    const states = withState(context.model.getMetadata("widgets"), snapshot, model);
    if (states) context.model.setMetadata("widgets", states);
    else if (context.model.getMetadata("widgets") !== undefined) context.model.deleteMetadata("widgets");
  };
  const save: Slot = (_, state) => {
    if (state !== "started") return;
    const snapshot = take();
    if (snapshot) {
      kept = snapshot.model;
      write(snapshot, kept);
    } else if (kept) {
      // It is shown no more: a picture has taken its place.
      write(null, kept);
      kept = "";
    }
  };
  context.saveState.connect(save);
  return () => {
    context.saveState.disconnect(save);
    if (kept) write(null, kept);
  };
}
