/** `nexus proof` through the bin, on a real network; its pages in a real browser, without a network. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Browser, findChromium, launch, type Page } from "./chromium.ts";
import { devNetwork } from "./dev-network.ts";
import { nexus } from "./support.ts";

const net = devNetwork();
const { dir, folder, genesis } = net;
const at = (name: string): string => join(folder, name);

type Report = {
  ok: boolean;
  code?: string;
  proven: Record<string, string>;
  statements: string[];
  checks: { id: string; result: string }[];
};

/** Where nothing is but the files that are named: what verifies asks nobody. */
const verify = (file: string, ...args: string[]) =>
  nexus(["--dir", at("nowhere"), "proof", "verify", file, ...args]);

const get = async (...args: string[]): Promise<void> => {
  const done = await nexus(["--dir", dir, "proof", "get", ...args]);
  expect(done.code, done.stderr).toBe(0);
};

const HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>";

beforeAll(async () => {
  await net.start();
  const done = await nexus(["--dir", dir, "append", "notes/first", HOSTILE, "-o", "json"]);
  expect(done.code, done.stderr).toBe(0);
}, 120_000);

afterAll(async () => {
  await net.end();
});

/** Index of the record's event: others may have been written before it. */
const indexOfRecord = async (): Promise<string> => {
  const tail = await nexus(["--dir", dir, "tail", "--from", "0", "--no-follow", "-o", "ndjson"]);
  const events = tail.stdout.trim().split("\n");
  const found = events.map((line) => JSON.parse(line) as { index: number; type: string });
  return String(found.find(({ type }) => type === "record.put")?.index);
};

describe("nexus proof", () => {
  it("proves an event, a row and their absence to somebody who has only the genesis", async () => {
    const index = await indexOfRecord();
    await get(index, "--out", at("event.json"));
    await get("records", "notes/first", "--out", at("row.json"));
    await get("records", "notes/absent", "--out", at("absent.json"));
    await get("1000000", "--out", at("beyond.json"));
    await get("quarantine", "ab".repeat(32), "--out", at("quarantine.json"));
    const reports: Report[] = [];
    for (const name of ["event", "row", "absent", "beyond", "quarantine"]) {
      const done = await verify(at(`${name}.json`), "--trust", genesis, "-o", "json");
      expect(done.code, done.stderr).toBe(0);
      reports.push(JSON.parse(done.stdout) as Report);
    }
    expect(reports.every(({ ok }) => ok)).toBe(true);
    const [event, row, absent, beyond, quarantine] = reports;
    expect(event?.proven).toMatchObject({ event: index, outcome: "accepted" });
    expect(event?.checks.map(({ result }) => result)).toEqual(Array(8).fill("ok"));
    expect(row?.proven["row"]).toContain("onerror");
    expect(absent?.proven["row"]).toBe("there is none");
    expect(absent?.statements[0]).toMatch(
      /^records had no row under key notes\/absent after height/,
    );
    expect(quarantine?.proven["row"]).toBe("there is none");
    expect(beyond?.statements.join()).toContain("no event 1000000");
  }, 120_000);

  it("proves a range of the log without a gap, and says when it is none", async () => {
    const index = await indexOfRecord();
    await get(`0..${index}`, "--out", at("range.json"));
    const done = await verify(at("range.json"), "--trust", genesis, "-o", "json");
    expect(done.code, done.stderr).toBe(0);
    const { statements, proven } = JSON.parse(done.stdout) as Report;
    expect(statements[0]).toBe(
      `These are the events 0 to ${index} of the log with their outcomes; none between them is left out.`,
    );
    expect(Object.keys(proven)).toContain(`event ${index}`);
    const text = readFileSync(at("range.json"), "utf8");
    writeFileSync(at("range.json"), text.replace(/"leaves":\["(.{90})./, '"leaves":["$1_'));
    expect((await verify(at("range.json"), "--trust", genesis)).code).toBe(2);
    for (const wrong of ["5..4", "0..1000", "0..", "01..2", "0..9007199254740992"]) {
      const refused = await nexus(["--dir", dir, "proof", "get", wrong]);
      expect([wrong, refused.code, refused.stdout]).toEqual([wrong, 1, ""]);
    }
  }, 120_000);

  it("shows people what was checked, and exits 0, 2 or 3", async () => {
    const table = await verify(at("event.json"), "--trust", genesis);
    expect(table.code, table.stderr).toBe(0);
    expect(table.stdout).toMatch(/^CHECK +RESULT +DETAIL\nchain +ok/);
    expect(table.stdout).toContain("rests on: Less than a third");
    const text = readFileSync(at("event.json"), "utf8");
    const leafAt = text.indexOf('"leaf":"') + 60;
    const letter = text[leafAt] === "A" ? "B" : "A";
    writeFileSync(at("bad.json"), `${text.slice(0, leafAt)}${letter}${text.slice(leafAt + 1)}`);
    const bad = await verify(at("bad.json"), "--trust", genesis);
    expect([bad.code, bad.stdout.includes("failed")]).toEqual([2, true]);
    writeFileSync(at("cut.json"), text.slice(0, -100));
    expect((await verify(at("cut.json"), "--trust", genesis)).code).toBe(2);
    writeFileSync(at("later.json"), text.replace('"version":1', '"version":2'));
    const codes = [
      await verify(at("later.json"), "--trust", genesis),
      await verify(at("missing.json"), "--trust", genesis),
      await verify(at("event.json")),
      await verify(at("event.json"), "--trust", at("missing.json")),
      await verify(at("event.json"), "--trust", at("event.json")),
    ].map(({ code }) => code);
    expect(codes).toEqual([3, 3, 3, 3, 3]);
    const other = readFileSync(genesis, "utf8").replace(/"timeMs": [0-9]+/, '"timeMs": 5');
    writeFileSync(at("other.json"), other);
    expect((await verify(at("event.json"), "--trust", at("other.json"))).code).toBe(2);
  }, 120_000);

  it("goes on from the checkpoint that a verification leaves", async () => {
    const first = await verify(at("event.json"), "--trust", genesis, "--checkpoint", at("cp.json"));
    expect(first.code, first.stderr).toBe(0);
    const done = await verify(at("row.json"), "--trust", at("cp.json"));
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toContain("as checkpoint says");
    const piped = await nexus(["proof", "verify", "-", "--trust", at("cp.json")], {
      input: readFileSync(at("row.json"), "utf8"),
    });
    expect(piped.code, piped.stderr).toBe(0);
  }, 60_000);

  it("says what is wrong with a question", async () => {
    const run = (...args: string[]) => nexus(["--dir", dir, "proof", "get", ...args]);
    const answers = [await run("records"), await run("-1"), await run("none", "key")];
    expect(answers.map(({ code }) => code)).toEqual([1, 1, 1]);
    const page = await run("0", "--html", "--trust", at("cp.json"));
    expect([page.code, page.stderr]).toEqual([1, expect.stringContaining("genesis")]);
  }, 60_000);
});

describe("the page that verifies itself", () => {
  let browser: Browser;
  beforeAll(async () => {
    const chromium = findChromium();
    if (chromium === undefined)
      throw new Error("this test needs a Chromium (apt-get install chromium)");
    browser = await launch(chromium);
    await get("records", "notes/first", "--html", "--out", at("row.html"));
    await get(await indexOfRecord(), "--html", "--out", at("event.html"));
  }, 120_000);
  afterAll(() => browser?.close());

  const resultOf = (page: Page): Promise<unknown> =>
    page.evaluate("document.querySelector('#verdict')?.dataset.result ?? 'checking'");

  const open = async (file: string): Promise<{ page: Page; result: string }> => {
    const page = await browser.page();
    await page.offline(true);
    await page.goto(pathToFileURL(file).href);
    await expect.poll(() => resultOf(page), { timeout: 60_000 }).not.toBe("checking");
    return { page, result: String(await resultOf(page)) };
  };

  const textOf = (page: Page): Promise<unknown> => page.evaluate("document.body.innerText");

  it("verifies offline, shows values as text, and compares the genesis", async () => {
    const { page, result } = await open(at("row.html"));
    expect(result).toBe("ok");
    expect(String(await textOf(page))).toContain("<img src=x onerror=alert(1)>");
    expect(await page.evaluate("document.images.length")).toBe(0);
    const hash = await page.evaluate("document.querySelector('#genesis-hash').textContent");
    const paste = (text: string): Promise<unknown> =>
      page.evaluate(`{
        const input = document.querySelector('#genesis-input');
        input.value = ${JSON.stringify(text)};
        input.dispatchEvent(new Event('input'));
        document.querySelector('#genesis-answer').dataset.result;
      }`);
    expect(await paste(` ${String(hash).toUpperCase()} `)).toBe("same");
    expect(await paste("ab".repeat(32))).toBe("other");
    expect(await paste("ab")).toBe("malformed");
    expect(await paste("")).toBe("none");
    const event = await open(at("event.html"));
    expect(event.result).toBe("ok");
    // Long values beside a heading leave it on one line, also on a small screen.
    await event.page.evaluate("document.body.style.width = '20rem'");
    const lines = await event.page.evaluate(`[...document.querySelectorAll('th')].map((heading) => {
      const range = document.createRange();
      range.selectNodeContents(heading);
      return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size;
    })`);
    expect(new Set(lines as number[])).toEqual(new Set([1]));
  }, 60_000);

  it("refuses what was changed in the file, and shows none of it as proven", async () => {
    const text = readFileSync(at("event.html"), "utf8");
    const leafAt = text.indexOf('"leaf":"') + 60;
    const letter = text[leafAt] === "A" ? "B" : "A";
    writeFileSync(at("bad.html"), `${text.slice(0, leafAt)}${letter}${text.slice(leafAt + 1)}`);
    const { page, result } = await open(at("bad.html"));
    expect(result).toBe("failed");
    expect(await page.evaluate("document.querySelectorAll('#facts tr').length")).toBe(0);
    writeFileSync(at("other.html"), text.replace('"timeMs": 1', '"timeMs": 2'));
    expect((await open(at("other.html"))).result).toBe("failed");
    writeFileSync(at("none.html"), text.replace('"format":"tetrad-proof"', '"format":"x"'));
    expect((await open(at("none.html"))).result).toBe("failed");
  }, 60_000);
});
