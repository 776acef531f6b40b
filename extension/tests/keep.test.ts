import { describe, expect, it } from "vitest";

import { keepOnSave, withState, type Snapshot } from "../src/panel/keep";

const KIND = "application/vnd.jupyter.widget-state+json";
const snapshot: Snapshot = { model: "m", version: "~0.11.*", picture: "data:image/png;base64,", words: "step 3" };

type Slot = (sender: unknown, state: string) => void;

function notebook(metadata: Record<string, unknown> = {}) {
  const slots = new Set<Slot>();
  const context = {
    model: {
      getMetadata: (key: string) => metadata[key],
      setMetadata: (key: string, value: unknown) => { metadata[key] = value; },
      deleteMetadata: (key: string) => { delete metadata[key]; },
    },
    saveState: { connect: (slot: Slot) => { slots.add(slot); return true; }, disconnect: (slot: Slot) => slots.delete(slot) },
  };
  const save = (): void => slots.forEach((slot) => { slot(null, "started"); slot(null, "completed"); });
  return { metadata, manager: { context }, save };
}

describe("keepOnSave", () => {
  it("puts a picture into the notebook when it is saved", () => {
    const { metadata, manager, save } = notebook();
    keepOnSave(manager, () => snapshot);
    expect(metadata["widgets"]).toBeUndefined();
    save();
    expect(JSON.stringify(metadata["widgets"])).toContain("step 3");
  });

  it("takes it out again when the panel is gone", () => {
    const { metadata, manager, save } = notebook();
    const end = keepOnSave(manager, () => snapshot);
    save();
    end();
    expect(metadata["widgets"]).toBeUndefined();
  });

  it("leaves the widgets of others alone", () => {
    const other = { [KIND]: { version_major: 2, version_minor: 0, state: { slider: { state: {} } } } };
    const { metadata, manager, save } = notebook({ widgets: other });
    const end = keepOnSave(manager, () => snapshot);
    save();
    expect(Object.keys((metadata["widgets"] as typeof other)[KIND].state)).toEqual(["slider", "m-layout", "m"]);
    end();
    expect(metadata["widgets"]).toEqual(other);
  });

  it("does nothing where the front end has no document", () => {
    expect(() => keepOnSave(undefined, () => snapshot)()).not.toThrow();
    expect(() => keepOnSave({}, () => snapshot)()).not.toThrow();
  });

  it("refers to its layout", () => {
    const states = withState(undefined, snapshot, "m") as Record<string, { state: Record<string, { state: { layout?: string } }> }>;
    expect(states[KIND]?.state["m"]?.state.layout).toBe("IPY_MODEL_m-layout");
  });
});
