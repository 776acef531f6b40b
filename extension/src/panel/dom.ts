/** Elements in one line each, their words in the reader's language. */

import { translated } from "../language/translating";

type Child = Node | string | null;
type Attributes = Record<string, string | number | boolean | null | ((event: Event) => void)>;

const READ = new Set(["title", "aria-label", "alt", "placeholder"]);
const CODE = new Set(["code", "pre"]);

/**
 * Make an element; functions become listeners, null and false are left out. Its texts are translated,
 * but not code, and not what has `translate: "no"`, as names that people gave.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  const own = attributes["translate"] === "no";
  const shown = (text: string): string => (own ? text : translated(text));
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== false) element.setAttribute(name, READ.has(name) ? shown(String(value)) : String(value));
  }
  for (const child of children) if (child !== null) element.append(typeof child === "string" && !CODE.has(tag) ? shown(child) : child);
  return element;
}

/** Change an element's text only where it differs, so that nothing flickers and nothing is re-read. */
export function setText(element: Element, text: string): void {
  const own = CODE.has(element.localName) || element.getAttribute("translate") === "no";
  const shown = own ? text : translated(text);
  if (element.textContent !== shown) element.textContent = shown;
}

let last = 0;

/** Return an id that no other element of the page has. */
export function newId(): string {
  last += 1;
  return `maasnb-${Date.now().toString(36)}-${last}`;
}

/** Make a table: a head, and rows of text. */
export function table(caption: string, head: readonly string[], rows: readonly string[][]): HTMLElement {
  return h(
    "table",
    {},
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, ...head.map((word) => h("th", { scope: "col" }, word)))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, cell))))),
  );
}

/** Make a "data as a table" that is filled when it is opened, and again while it is open. */
export class DataTable {
  readonly element: HTMLDetailsElement;
  private body = h("div", { class: "mb-scroll", tabindex: 0, role: "region", "aria-label": "table" });

  constructor(private fill: () => HTMLElement) {
    this.element = h("details", { class: "mb-table" }, h("summary", {}, "as a table"), this.body);
    this.element.addEventListener("toggle", () => this.update());
  }

  update(): void {
    if (this.element.open) this.body.replaceChildren(this.fill());
  }
}
