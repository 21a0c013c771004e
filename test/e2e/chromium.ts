/** A headless Chromium, driven by its DevTools protocol over the WebSocket that Node has. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** Path of the browser; undefined where there is none. */
export const findChromium = (): string | undefined =>
  NAMES.find((name) => spawnSync(name, ["--version"]).status === 0);

export type Page = {
  /** The value of an expression in the page; promises are awaited. */
  evaluate(expression: string): Promise<unknown>;
  goto(url: string): Promise<void>;
  /** Cuts every connection of the page, or gives them back. */
  offline(isOffline: boolean): Promise<void>;
};

export type Browser = { page(): Promise<Page>; close(): Promise<void> };

type Answer = {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
};

/** Commands to one target; each gets its answer. */
const connect = async (url: string) => {
  const socket = new WebSocket(url);
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error(`no DevTools at ${url}`)));
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  socket.addEventListener("message", ({ data }) => {
    const answer = JSON.parse(String(data)) as Answer;
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer);
  });
  let last = 0;
  return (method: string, params: object = {}): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, ({ result, error }) => {
        if (error !== undefined) reject(new Error(`${method}: ${error.message}`));
        else resolve(result ?? {});
      });
      socket.send(JSON.stringify({ id: last, method, params }));
    });
};

const devToolsOf = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = "";
    child.stderr?.on("data", (piece) => {
      text += piece;
      const port = /DevTools listening on ws:\/\/[^:]+:([0-9]+)\//.exec(text)?.[1];
      if (port !== undefined) resolve(`127.0.0.1:${port}`);
    });
    child.once("exit", () => reject(new Error(`the browser ended: ${text}`)));
  });

export const launch = async (path: string): Promise<Browser> => {
  const profile = mkdtempSync(join(tmpdir(), "tetrad-chromium-"));
  const flags = [
    "--headless=new",
    // The sandbox cannot be had by root; what is loaded is ours.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-port=0",
    `--user-data-dir=${profile}`,
    "about:blank",
  ];
  const child = spawn(path, flags, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  const host = await devToolsOf(child);
  return {
    async page() {
      const answer = await fetch(`http://${host}/json/new?about:blank`, { method: "PUT" });
      const { webSocketDebuggerUrl } = (await answer.json()) as { webSocketDebuggerUrl: string };
      const send = await connect(webSocketDebuggerUrl);
      await send("Page.enable");
      await send("Network.enable");
      const evaluate = async (expression: string): Promise<unknown> => {
        const options = { expression, awaitPromise: true, returnByValue: true };
        const { result, exceptionDetails } = await send("Runtime.evaluate", options);
        if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
        return (result as { value?: unknown }).value;
      };
      return {
        evaluate,
        async goto(url) {
          await send("Page.navigate", { url });
        },
        async offline(isOffline) {
          const speed = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
          await send("Network.emulateNetworkConditions", { offline: isOffline, ...speed });
        },
      };
    },
    async close() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      // The browser is several processes in a group of its own.
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
};
