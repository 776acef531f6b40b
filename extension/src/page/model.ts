/** What a server says of its models. */

import { get, getIfThere } from "./api";

export interface Tensor {
  name: string;
  datatype: string;
  shape: number[];
}

export interface Parameters {
  version?: string;
  framework?: string;
  kind?: string;
  labels?: string[];
  features?: string[];
  metrics?: Record<string, number | null>;
  /** A missing value is null. */
  example?: (number | boolean | string | null)[] | null;
  /** Whether values may be missing. */
  gaps?: boolean;
  generation?: { context: number; unit: string } | null;
}

export interface Metadata {
  name: string;
  versions?: string[];
  platform?: string;
  inputs: Tensor[];
  outputs: Tensor[];
  parameters?: Parameters;
}

export interface Listed {
  name: string;
  versions: (string | number | { version: number | string })[];
  serves?: number | null;
  aliases?: Record<string, number>;
  canary?: { version: number; percent: number } | null;
  shadow?: number | null;
}

export interface Change {
  action?: string;
  alias?: string;
  version?: number;
  time?: string | number;
  by?: string;
}

export interface Described extends Listed {
  history?: Change[];
}

export interface VersionFacts {
  number: string;
  created: string | null;
  metrics: Record<string, number | null>;
}

export const modelPath = (name: string, version: string | null): string =>
  `v2/models/${encodeURIComponent(name)}${version === null ? "" : `/versions/${encodeURIComponent(version)}`}`;

export const listed = async (): Promise<Listed[]> => (await get<{ models: Listed[] }>("maas/v1/models")).models;

export const metadata = (name: string, version: string | null): Promise<Metadata> => get(modelPath(name, version));

export const described = (name: string): Promise<Described | null> =>
  getIfThere(`maas/v1/models/${encodeURIComponent(name)}`);

/** Return the versions of a listed model, the newest first. */
export function versionsOf(model: Listed | Metadata): VersionFacts[] {
  const found = (model.versions ?? []).map((each) => {
    if (typeof each !== "object") return { number: String(each), created: null, metrics: {} };
    const { version, created, metrics } = each as {
      version: number | string;
      created?: string;
      metrics?: Record<string, number | null>;
    };
    return { number: String(version), created: created ?? null, metrics: metrics ?? {} };
  });
  return found.sort((a, b) => Number(b.number) - Number(a.number));
}

/** Return in a few words what a model does. */
export function kindInWords(model: Metadata): string {
  const { generation, labels = [], kind } = model.parameters ?? {};
  if (generation) return `writes text, one ${generation.unit} at a time`;
  const what = model.inputs[0]?.datatype === "BYTES" ? "texts" : imageSide(model) ? "small images" : "numbers";
  if (kind === "multilabel") return `gives any of ${labels.length} labels, to ${what}`;
  if (labels.length) return `tells ${labels.length} classes apart, from ${what}`;
  const width = model.outputs[0]?.shape.slice(1).reduce((a, b) => a * b, 1) ?? 1;
  return kind === "regression" ? `estimates ${width === 1 ? "a value" : `${width} values`}, from ${what}` : `answers ${what}`;
}

/** Return the side of the square image that a model takes; 0 where it takes something else. */
export function imageSide(model: Metadata): number {
  const shape = (model.inputs[0]?.shape ?? []).slice(1);
  const sizes = shape.filter((size) => size !== 1);
  if (model.inputs[0]?.datatype === "BYTES") return 0;
  const [a, b] = sizes;
  if (sizes.length === 2 && a !== undefined && a === b && a >= 4 && a <= 64) return a;
  if (sizes.length === 1 && a !== undefined) {
    const side = Math.round(Math.sqrt(a));
    const features = model.parameters?.features ?? [];
    const named = features.length === a && features.every((name) => String(name).includes("pixel"));
    if (named && side * side === a && side <= 64) return side;
  }
  return 0;
}
