/** The server, asked with the token of this tab; every failure is one `Failure` in the server's words. */

const KEY = "maasnb-token";

export class Failure extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export const token = {
  get: (): string => sessionStorage.getItem(KEY) ?? "",
  set: (value: string): void => sessionStorage.setItem(KEY, value.trim()),
  forget: (): void => sessionStorage.removeItem(KEY),
};

/** Return an address on this server, also where it stands behind a prefix. */
export function address(path: string): string {
  return new URL(path.replace(/^\//, ""), document.baseURI.split("#")[0]).href;
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token.get()) headers.set("authorization", `Bearer ${token.get()}`);
  let answer: Response;
  try {
    answer = await fetch(address(path), { ...init, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure("The server does not answer. Is it still running?", 0);
  }
  if (!answer.ok) throw new Failure(await words(answer), answer.status);
  return answer;
}

async function words(answer: Response): Promise<string> {
  try {
    const error = ((await answer.json()) as { error?: unknown }).error;
    if (typeof error === "string") return error;
    const message = (error as { message?: unknown } | null)?.message;
    if (typeof message === "string") return message;
  } catch {
    // It was no JSON.
  }
  return `The server answered with status ${answer.status}.`;
}

export async function get<T>(path: string): Promise<T> {
  return (await (await ask(path)).json()) as T;
}

/** Return what is at a path, or null where this server has no such thing. */
export async function getIfThere<T>(path: string): Promise<T | null> {
  try {
    return await get<T>(path);
  } catch (error) {
    if (error instanceof Failure && [404, 405].includes(error.status)) return null;
    throw error;
  }
}

export async function textIfThere(path: string): Promise<string | null> {
  try {
    return await (await ask(path)).text();
  } catch (error) {
    if (error instanceof Failure && [404, 405].includes(error.status)) return null;
    throw error;
  }
}

function posted(body: string, signal?: AbortSignal): RequestInit {
  return { method: "POST", body, headers: { "content-type": "application/json" }, ...(signal ? { signal } : {}) };
}

export async function post<T>(path: string, body: string): Promise<T> {
  return (await (await ask(path, posted(body))).json()) as T;
}

/** Yield the data of each server-sent event of an answer. */
export async function* events(path: string, body: string, signal: AbortSignal): AsyncGenerator<string> {
  const answer = await ask(path, posted(body, signal));
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
  }
}
