/** Markdown as elements: never as HTML, so that a card from anybody can hold no script. */

import { h } from "../panel/dom";

type Inline = { pattern: RegExp; make: (found: RegExpExecArray) => Node };

const INLINE: Inline[] = [
  { pattern: /`([^`\n]+)`/, make: (found) => h("code", {}, found[1] ?? "") },
  { pattern: /!?\[([^\]\n]{0,500})\]\(([^()\s]{0,2000})\)/, make: link },
  { pattern: /\*\*(?!\s)([^*\n]+)(?<!\s)\*\*/, make: (found) => h("strong", {}, ...inline(found[1] ?? "")) },
  { pattern: /(?<![\w*])\*(?!\s)([^*\n]+)(?<!\s)\*(?![\w*])/, make: (found) => h("em", {}, ...inline(found[1] ?? "")) },
  { pattern: /(?<!\w)_([^_\n]+)_(?!\w)/, make: (found) => h("em", {}, ...inline(found[1] ?? "")) },
  { pattern: /<(https?:\/\/[^\s<>]{1,2000})>/, make: (found) => anchor(found[1] ?? "", found[1] ?? "") },
];

function link(found: RegExpExecArray): Node {
  // An image would ask another server who looks at this page: its words do.
  if (found[0].startsWith("!")) return document.createTextNode(found[1] ?? "");
  return anchor(found[2] ?? "", found[1] ?? "");
}

function anchor(target: string, text: string): Node {
  let scheme = "";
  try {
    scheme = new URL(target).protocol;
  } catch {
    // It has no scheme, and there is nothing here that a card could point to.
  }
  if (!["http:", "https:", "mailto:"].includes(scheme)) return document.createTextNode(text);
  return h("a", { href: target, rel: "noopener noreferrer nofollow", target: "_blank" }, document.createTextNode(text));
}

/** Return a line's words, code, links and stresses. */
export function inline(text: string): Node[] {
  const nodes: Node[] = [];
  let rest = text;
  while (rest) {
    let first: { at: number; found: RegExpExecArray; make: Inline["make"] } | null = null;
    for (const { pattern, make } of INLINE) {
      const found = pattern.exec(rest);
      if (found && (first === null || found.index < first.at)) first = { at: found.index, found, make };
    }
    if (first === null) break;
    if (first.at) nodes.push(document.createTextNode(rest.slice(0, first.at)));
    nodes.push(first.make(first.found));
    rest = rest.slice(first.at + first.found[0].length);
  }
  if (rest) nodes.push(document.createTextNode(rest));
  return nodes;
}

const FENCE = /^(```+|~~~+)/;
const ITEM = /^(\s*)(?:[-*+]|\d{1,9}[.)])\s+(.*)$/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const DIVIDER = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/** Return a text in Markdown as elements; its front matter is left out. */
export function markdown(text: string): DocumentFragment {
  const lines = text.replace(/\r\n?/g, "\n").replace(/^---\n[\s\S]*?\n---(\n|$)/, "").split("\n");
  const out = document.createDocumentFragment();
  let at = 0;
  const peek = (): string => lines[at] ?? "";
  const take = (while_: (line: string) => boolean): string[] => {
    const taken: string[] = [];
    while (at < lines.length && while_(peek())) taken.push(lines[at++] ?? "");
    return taken;
  };
  while (at < lines.length) {
    const line = peek();
    const fence = FENCE.exec(line.trim())?.[1];
    const heading = HEADING.exec(line);
    if (!line.trim()) at++;
    else if (fence) {
      at++;
      const code = take((each) => !each.trim().startsWith(fence));
      at++;
      out.append(h("pre", { tabindex: 0 }, h("code", {}, code.join("\n"))));
    } else if (heading) {
      at++;
      // The page has the first two levels itself.
      const level = Math.min((heading[1]?.length ?? 1) + 2, 6) as 3 | 4 | 5 | 6;
      out.append(h(`h${level}`, {}, ...inline(heading[2] ?? "")));
    } else if (RULE.test(line)) {
      at++;
      out.append(h("hr"));
    } else if (line.includes("|") && DIVIDER.test(lines[at + 1] ?? "")) {
      out.append(grid(take((each) => each.includes("|"))));
    } else if (line.startsWith(">")) {
      const inner = take((each) => each.startsWith(">")).map((each) => each.replace(/^>\s?/, ""));
      out.append(h("blockquote", {}, ...inline(inner.join(" "))));
    } else if (ITEM.test(line)) {
      out.append(list(take((each) => ITEM.test(each) || /^\s{2,}\S/.test(each))));
    } else {
      const words = take((each) => Boolean(each.trim()) && !FENCE.test(each) && !HEADING.test(each) && !ITEM.test(each));
      out.append(h("p", {}, ...inline(words.join(" "))));
    }
  }
  return out;
}

function list(lines: string[]): HTMLElement {
  const ordered = /^\s*\d/.test(lines[0] ?? "");
  const items: string[] = [];
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (item) items.push(item[2] ?? "");
    else items.push(`${items.pop() ?? ""} ${line.trim()}`);
  }
  return h(ordered ? "ol" : "ul", {}, ...items.map((item) => h("li", {}, ...inline(item))));
}

function cells(line: string): string[] {
  const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, "|"));
}

function grid(lines: string[]): HTMLElement {
  const [head = "", , ...rows] = lines;
  const body = rows.map((row) => h("tr", {}, ...cells(row).map((cell) => h("td", {}, ...inline(cell)))));
  const table = h(
    "table",
    {},
    h("thead", {}, h("tr", {}, ...cells(head).map((cell) => h("th", { scope: "col" }, ...inline(cell))))),
    h("tbody", {}, ...body),
  );
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "table" }, table);
}
