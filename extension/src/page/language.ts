/** The page's language: what its reader chose here, else the browser's. */

import { language, languageOf, speak, type Language } from "../language/translating";
import { h } from "../panel/dom";

const KEY = "maasnb-language";
const NAMES: Record<Language, string> = { en: "English", zh: "中文" };

/** Show the page in its reader's language. */
export function readerLanguage(): void {
  speak(languageOf(localStorage.getItem(KEY) ?? navigator.language));
  document.documentElement.lang = language();
}

/** Make the button that shows the page in the other language; it is named in that one. */
export function switchButton(): HTMLElement {
  const other: Language = language() === "zh" ? "en" : "zh";
  const press = (): void => {
    localStorage.setItem(KEY, other);
    location.reload();
  };
  return h("button", { type: "button", class: "quiet", lang: other, translate: "no", click: press }, NAMES[other]);
}
