/**
 * The built client in a real browser: docs/examples/browser.html, served from a static server, reads a live
 * network with verification. What a proxy has changed on the way is refused there.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { request as ask, createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Browser, findChromium, launch, type Page } from "./chromium.ts";
import { devNetwork } from "./dev-network.ts";
import { holdBuild, nexus, root } from "./support.ts";

const net = devNetwork();
const { dir } = net;
const servers: Server[] = [];
let browser: Browser;
let site: string;
let releaseBuild = (): void => {};

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

const listen = async (server: Server): Promise<string> => {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen({ host: "::1", port: 0 }, resolve));
  return `http://[::1]:${(server.address() as AddressInfo).port}`;
};

/** The page, the genesis that it trusts, and the packages as they are installed. */
const serveSite = (): Promise<string> =>
  listen(
    createServer((request, response) => {
      const path = normalize(decodeURIComponent((request.url ?? "/").split("?", 1)[0] ?? "/"));
      const file =
        path === "/"
          ? join(root, "docs/examples/browser.html")
          : path === "/genesis.json"
            ? join(dir, "genesis.json")
            : path.startsWith("/node_modules/tetrad/")
              ? join(root, path.slice("/node_modules/tetrad/".length))
              : join(root, path);
      try {
        const body = readFileSync(file);
        response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "text/plain" });
        response.end(body);
      } catch {
        response.writeHead(404).end();
      }
    }),
  );

/** A node as somebody on the way shows it: `change` may do what it likes with a piece of an answer. */
const serveProxy = (change: (text: string, url: string) => string): Promise<string> =>
  listen(
    createServer((request, response) => {
      const { url = "/", method = "GET", headers } = request;
      const target = { host: "::1", port: Number(new URL(net.url()).port), path: url, method };
      const sent = { ...headers, host: new URL(net.url()).host, "accept-encoding": "identity" };
      const inner = ask({ ...target, headers: sent }, (answer) => {
        const { "content-length": _, ...kept } = answer.headers;
        response.writeHead(answer.statusCode ?? 502, kept);
        answer.setEncoding("utf8");
        answer.on("data", (piece: string) => response.write(change(piece, url)));
        answer.on("end", () => response.end());
        response.on("close", () => answer.destroy());
      });
      inner.on("error", () => response.destroy());
      inner.end();
    }),
  );

beforeAll(async () => {
  const chromium = findChromium();
  if (chromium === undefined)
    throw new Error("these tests need Chromium: apt-get install chromium");
  releaseBuild = await holdBuild();
  execFileSync(process.execPath, [join(root, "scripts", "build.mjs")]);
  await net.start();
  for (const [key, body] of [
    ["first", "hello"],
    ["second", "world"],
  ] as const) {
    const done = await nexus(["--dir", dir, "append", `notes/${key}`, body]);
    expect(done.code, done.stderr).toBe(0);
  }
  site = await serveSite();
  browser = await launch(chromium);
}, 400_000);

afterAll(async () => {
  await browser?.close();
  releaseBuild();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  await net.end();
});

const open = async (...nodes: string[]): Promise<Page> => {
  const page = await browser.page();
  const query = nodes.map((node) => `node=${encodeURIComponent(node)}`).join("&");
  await page.goto(`${site}/?${query}`);
  return page;
};

const stateOf = (page: Page): Promise<unknown> =>
  page.evaluate("document.querySelector('#state')?.textContent ?? ''");

/** What the page says in the end; before it is loaded there is nothing, and then "reading". */
const settled = async (page: Page): Promise<string> => {
  await expect.poll(() => stateOf(page), { timeout: 60_000 }).toMatch(/^(verified|refused)/);
  return String(await stateOf(page));
};

const EVENTS =
  "[...document.querySelectorAll('#events li')].map((one) => [one.textContent, one.dataset.verified])";

describe("a page in a browser", () => {
  it("reads the log of a live network, proven there, and remembers what it has verified", async () => {
    const page = await open(net.url(1));
    expect(await settled(page)).toBe("verified");
    const events = (await page.evaluate(EVENTS)) as [string, string][];
    const records = events.filter(([text]) => text.includes(" record.put "));
    expect(records).toHaveLength(2);
    expect(records[0]?.[0]).toContain(Buffer.from("hello").toString("base64"));
    expect(new Set(events.map(([, verified]) => verified))).toEqual(new Set(["true"]));
    const kept = JSON.parse(String(await page.evaluate("localStorage.getItem('tetrad')")));
    expect(kept).toMatchObject({ format: "tetrad-client-state", logSize: events.length });
  });

  it("goes to another node where one is gone", async () => {
    const page = await open("http://[::1]:1", net.url());
    expect(await settled(page)).toBe("verified");
  });

  it("refuses an event that was changed on the way", async () => {
    const forged = Buffer.from("jello").toString("base64");
    let changed = 0;
    const proxy = await serveProxy((text, url) => {
      if (!url.startsWith("/v1/events/stream")) return text;
      // The data for people is not what is hashed: the payload is.
      const next = text.replace(/"payload":"(.)/, (_, first) => {
        changed += 1;
        return `"payload":"${first === "A" ? "B" : "A"}`;
      });
      return next.replaceAll(Buffer.from("hello").toString("base64"), forged);
    });
    const page = await open(proxy);
    expect(await settled(page)).toMatch(/^refused: (proof\.invalid|client\.bad-answer)/);
    expect(changed).toBeGreaterThan(0);
    expect(await page.evaluate(EVENTS)).toEqual([]);
  });

  it("refuses an outcome that was changed on the way", async () => {
    const proxy = await serveProxy((text, url) =>
      url.startsWith("/v1/events/stream")
        ? text.replace('{"kind":"accepted"}', '{"kind":"refused","code":"event.conflict"}')
        : text,
    );
    expect(await settled(await open(proxy))).toMatch(/^refused: proof\.invalid/);
  });

  it("refuses a proof that was changed on the way", async () => {
    const proxy = await serveProxy((text, url) =>
      url.includes("proof=true")
        ? text.replace(/"certificate":"(.{400})(.)/, (_, before: string, one: string) => {
            return `"certificate":"${before}${one === "A" ? "B" : "A"}`;
          })
        : text,
    );
    expect(await settled(await open(proxy))).toMatch(/^refused: proof\./);
  });
});
