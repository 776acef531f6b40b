/**
 * Texts in the reader's language, translated where they are put into the page.
 *
 * The code holds English. A catalogue's keys are those texts as the code has them, with `{}` for each
 * value that is put in; a text is matched against them, its values are taken out, translated in their
 * turn, and put into the translation. What no key fits stays as it is, and so does what stands in an
 * element with `translate="no"`: names that people gave. `maasnb/language` does the same in Python.
 */

import zh from "./zh.json";

export type Language = "en" | "zh";

interface Form {
  key: string;
  longest: string;
  letters: number;
  pattern: RegExp;
}

const MOST_KEPT = 2000;
const LONGEST = 5000;

/** Translate texts by their templates. */
export class Catalogue {
  private forms: Form[];
  private kept = new Map<string, string>();

  constructor(readonly words: Readonly<Record<string, string>>) {
    this.forms = Object.keys(words)
      .filter((key) => key.includes("{}") && /[A-Za-z]/.test(key.replaceAll("{}", "")))
      .map(formOf)
      .sort((a, b) => b.letters - a.letters);
  }

  of(text: string): string {
    if (text.length > LONGEST || !/[A-Za-z]/.test(text)) return text;
    let found = this.kept.get(text);
    if (found === undefined) {
      found = this.found(text);
      if (this.kept.size > MOST_KEPT) this.kept.clear();
      this.kept.set(text, found);
    }
    return found;
  }

  private found(text: string): string {
    const own = this.matched(text);
    if (own !== null) return own;
    // A text of several sentences: the shortest that is known first.
    for (const end of text.matchAll(/(?<=[.?!]) (?=\S)/g)) {
      const first = this.matched(text.slice(0, end.index));
      if (first !== null) return first + this.of(text.slice(end.index + 1));
    }
    return text;
  }

  private matched(text: string): string | null {
    const own = Object.hasOwn(this.words, text) ? this.words[text] : undefined;
    if (own !== undefined) return own;
    for (const { key, longest, pattern } of this.forms) {
      const values = text.includes(longest) ? pattern.exec(text) : null;
      if (values) return filled(this.words[key] ?? key, values.slice(1).map((each) => this.of(each)));
    }
    return null;
  }
}

function formOf(key: string): Form {
  const parts = key.split("{}");
  const longest = parts.reduce((a, b) => (b.length > a.length ? b : a), "");
  const source = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("([^]*?)");
  return { key, longest, letters: parts.join("").length, pattern: new RegExp(`^${source}$`) };
}

/** Put values into a translation: `{}` takes the next one, `{1}` the second. */
function filled(text: string, values: readonly string[]): string {
  let next = 0;
  return text.replace(/\{(\d*)\}/g, (_, place: string) => values[place === "" ? next++ : Number(place)] ?? "");
}

const CATALOGUES: Readonly<Record<string, Catalogue>> = { zh: new Catalogue(zh) };

let shown: Language = "en";

/** Return the language that a tag as `zh-CN` or `zh_CN` stands for; English for all others. */
export function languageOf(tag: string | null | undefined): Language {
  return /^zh\b|^zh[-_]/i.test(tag ?? "") ? "zh" : "en";
}

/** Show texts in a language from now on. */
export function speak(language: Language): void {
  shown = language;
}

/** Return the language that is shown. */
export function language(): Language {
  return shown;
}

/** Return a text in the language that is shown. */
export function translated(text: string): string {
  return CATALOGUES[shown]?.of(text) ?? text;
}
