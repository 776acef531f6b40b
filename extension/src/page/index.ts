/** The page of a server: which models it has, what they do, and a form to try each. */

import "uplot/dist/uPlot.min.css";
import "./page.css";

import { translated } from "../language/translating";
import { h } from "../panel/dom";
import { Failure, get, token } from "./api";
import { readerLanguage, switchButton } from "./language";
import { say } from "./said";
import { askForToken } from "./token";
import { listView, modelView, type View } from "./views";

const main = document.getElementById("main") as HTMLElement;
const top_ = document.getElementById("top") as HTMLElement;
let view: View | null = null;
let turn = 0;

function go(target: string): void {
  location.hash = target;
}

/** Return the model and the version that the address names. */
function wanted(): { name: string | null; version: string | null } {
  const parts = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean);
  const decoded = parts.map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { name: decoded[0] ?? null, version: decoded[1] ?? null };
}

async function show(): Promise<void> {
  const mine = ++turn;
  const { name, version } = wanted();
  main.setAttribute("aria-busy", "true");
  try {
    const made = name === null ? await listView() : await modelView(name, version, go);
    if (mine !== turn) return made.end();
    view?.end();
    view = made;
    main.replaceChildren(made.element);
    document.title = name === null ? "maasnb" : `${name} · maasnb`;
    say(name === null ? "Models" : `Model ${name}`);
  } catch (error) {
    if (mine !== turn) return;
    if (error instanceof Failure && error.status === 401) return signIn(error.message);
    view?.end();
    view = null;
    const words = error instanceof Error ? error.message : String(error);
    const again = h("button", { type: "button", click: () => void show() }, "Try again");
    main.replaceChildren(
      h("section", { class: "block" }, h("h1", {}, "That did not work"), h("p", { role: "alert" }, words), h("div", { class: "buttons" }, again, h("a", { href: "#/" }, "All models"))),
    );
  } finally {
    if (mine === turn) main.removeAttribute("aria-busy");
  }
}

async function signIn(words: string): Promise<void> {
  const first = "This server answers whoever has its token: the content of the file 'token' in its workspace, or one that was made for you.";
  const wrong = Boolean(token.get());
  token.forget();
  await askForToken(wrong ? `That was refused. ${words}` : first);
  header();
  await show();
}

function header(): void {
  const out = h(
    "button",
    {
      type: "button",
      class: "quiet",
      click: () => {
        token.forget();
        location.reload();
      },
    },
    "Forget the token",
  );
  const brand = h("a", { href: "#/", class: "brand" }, h("img", { src: "static/icon.svg", alt: "", width: 24, height: 24 }), "maasnb");
  const server = h("span", { class: "faint server" }, location.host);
  top_.replaceChildren(brand, server, switchButton(), token.get() ? out : "");
  if (token.get()) {
    void get<{ version?: string }>("v2").then(
      (found) => (server.textContent = `${location.host} · ${found.version ?? ""}`),
      () => undefined,
    );
  }
}

window.addEventListener("hashchange", () => {
  void show().then(() => {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  });
});
readerLanguage();
for (const each of document.querySelectorAll(".skip, noscript")) each.textContent = translated(each.textContent ?? "");
header();
void show();
