/** The widget's front end, as anywidget loads it: one store a model, one view each time it is shown. */

import "uplot/dist/uPlot.min.css";
import "./panel.css";

import { languageOf, speak } from "../language/translating";
import { keepOnSave } from "./keep";
import type { Frame } from "./protocol";
import { Store } from "./store";
import { View } from "./view";

/** What anywidget hands over of a model. */
interface Model {
  get(name: string): unknown;
  widget_manager?: unknown;
  send(content: unknown): void;
  on(event: string, listener: (...values: never[]) => void): void;
  off(event: string, listener: (...values: never[]) => void): void;
}

/** anywidget calls this once for each model. */
export default () => {
  let store: Store | null = null;
  const views = new Set<View>();
  return {
    initialize({ model }: { model: Model }): () => void {
      // What the kernel was told to speak, else what JupyterLab speaks, which notes it there.
      speak(languageOf(String(model.get("language") || document.documentElement.lang)));
      store = new Store({ send: (message) => model.send(message) });
      const take = (frame: Frame, buffers: DataView[]): void => store?.take(frame, buffers ?? []);
      const lose = (): void => store?.lose();
      model.on("msg:custom", take as (...values: never[]) => void);
      model.on("comm_live_update", lose);
      store.hello();
      const keepNoMore = keepOnSave(model.widget_manager, () => {
        const [view] = views;
        const picture = view?.snapshot();
        if (!store?.model || !picture) return null;
        return { model: store.model, version: String(model.get("_model_module_version")), ...picture };
      });
      return () => {
        keepNoMore();
        store?.close();
        model.off("msg:custom", take as (...values: never[]) => void);
        model.off("comm_live_update", lose);
      };
    },
    render({ el }: { el: HTMLElement }): () => void {
      if (store === null) throw new Error("maasnb: a view was opened before its model");
      const view = new View(store);
      views.add(view);
      el.append(view.element);
      return () => {
        views.delete(view);
        view.destroy();
      };
    },
  };
};
