/** The picture of a run in a real browser, without a network: it draws, filters, zooms, and says what it shows. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Browser, findChromium, launch, type Page } from "./chromium.ts";
import { nexus, tempFolder } from "./support.ts";

const folder = tempFolder();
let browser: Browser;

const scenarioOf = (n: number): object => ({
  ...{ name: `of-${n}`, seed: 2, n, healMs: 2_500 },
  faults: [
    { kind: "isolate", atMs: 300, untilMs: 900, node: 2 },
    { kind: "crash", atMs: 1_000, node: 1, power: true, downMs: 400 },
    { kind: "loss", atMs: 1_000, untilMs: 2_000, ppm: 100_000 },
  ],
  adversaries: [{ node: 3, strategy: "equivocate-vote", fromMs: 0, untilMs: 2_000 }],
  // Long enough that a block is final in it, whatever messages are lost.
  expect: { haltedMs: [[1_000, 2_480]] },
});

beforeAll(async () => {
  const chromium = findChromium();
  if (chromium === undefined)
    throw new Error("these tests need Chromium: apt-get install chromium");
  browser = await launch(chromium);
});
afterAll(async () => {
  await browser?.close();
  folder.remove();
});

const open = async (n: number, name = `of-${n}`): Promise<Page> => {
  const file = join(folder.path, `${n}.json`);
  writeFileSync(file, JSON.stringify({ ...scenarioOf(n), name }));
  const done = await nexus(["sim", "explain", file, "--out", `${n}.html`], { cwd: folder.path });
  expect(done.code, done.stderr).toBe(0);
  const page = await browser.page();
  await page.offline(true);
  await page.goto(pathToFileURL(join(folder.path, `${n}.html`)).href);
  const ready = "document.querySelector('#chart')?.dataset.messages ?? ''";
  await expect.poll(() => page.evaluate(ready), { timeout: 60_000 }).toMatch(/^\d+$/);
  return page;
};

const drawn = async (page: Page): Promise<number> => {
  // Drawing waits for the next frame.
  const next = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";
  await page.evaluate(`${next}.then(() => 0)`);
  return Number(await page.evaluate("document.querySelector('#chart').dataset.messages"));
};

const click = (page: Page, id: string): Promise<unknown> =>
  page.evaluate(`document.querySelector('#${id}').click()`);

/** How many different colours the canvas has in a middle row of the picture. */
const COLOURS = `(() => {
  const chart = document.querySelector('#chart');
  const { data } = chart.getContext('2d').getImageData(0, 0, chart.width, chart.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
  return seen.size;
})()`;

describe("the picture", () => {
  it("tells the verdict and draws nodes, faults and messages", async () => {
    const page = await open(4);
    expect(await page.evaluate("document.querySelector('#verdict').textContent")).toMatch(
      /^correctness L8 at \d(\.\d+)? s: height \d+ without a quorum$/,
    );
    expect(await page.evaluate("document.querySelector('#rule').textContent")).toContain("L8: ");
    expect(await page.evaluate("document.title")).toBe("L8: of-4");
    expect(await page.evaluate("document.querySelector('#chart').dataset.nodes")).toBe("4");
    expect(await page.evaluate("document.querySelectorAll('#faults tr').length")).toBe(4);
    expect(await drawn(page)).toBeGreaterThan(20);
    expect(await page.evaluate(COLOURS)).toBeGreaterThan(50);
  });

  it("shows the whole run, filters by kind, zooms, and changes its colours", async () => {
    const page = await open(4);
    await click(page, "fit");
    const whole = await drawn(page);
    await click(page, "all");
    const all = await drawn(page);
    expect(all).toBeGreaterThan(whole);
    const chip =
      "[...document.querySelectorAll('.chip')].find((one) => one.textContent.startsWith('vote finalize'))";
    const count = Number(await page.evaluate(`${chip}.querySelector('small').textContent`));
    expect(count).toBeGreaterThan(0);
    await page.evaluate(`${chip}.click()`);
    expect(await drawn(page)).toBe(all - count);
    await click(page, "in");
    expect(await drawn(page)).toBeLessThan(all - count);
    const theme = "document.documentElement.dataset.theme";
    const before = await page.evaluate(theme);
    await click(page, "theme");
    expect(await page.evaluate(theme)).toBe(before === "dark" ? "light" : "dark");
    await click(page, "scale");
    expect(await page.evaluate("document.querySelector('#scale').textContent")).toBe(
      "Squeeze rests",
    );
  });

  it("describes what is under the pointer, and keeps it when it is clicked", async () => {
    const page = await open(4);
    // Looks along the picture for a place where there is a message.
    const found = await page.evaluate(`(() => {
      const chart = document.querySelector('#chart');
      const box = chart.getBoundingClientRect();
      for (let x = 140; x < box.width; x += 3) for (let y = 60; y < box.height; y += 7) {
        const at = { clientX: box.left + x, clientY: box.top + y, bubbles: true, pointerId: 1 };
        chart.dispatchEvent(new PointerEvent('pointermove', at));
        const tip = document.querySelector('#tip');
        if (tip.style.visibility !== 'visible' || !tip.textContent.includes('sent ')) continue;
        chart.setPointerCapture = () => {};
        chart.dispatchEvent(new PointerEvent('pointerdown', at));
        chart.dispatchEvent(new PointerEvent('pointerup', at));
        return tip.textContent + '|' + document.querySelector('#detail').textContent;
      }
      return '';
    })()`);
    expect(found).toMatch(/^(proposal|vote|certificate).*\nn\d → n\d, \d+ bytes\nsent \d/);
    expect(String(found).split("|")[1]).toMatch(/^(proposal|vote|certificate)/);
  });

  it("draws 31 nodes within its bound, says what it leaves out, and takes names for text", async () => {
    const page = await open(31, "<b onclick=x>&amp;</b>");
    expect(await page.evaluate("document.querySelector('#chart').dataset.nodes")).toBe("31");
    const left = String(await page.evaluate("document.querySelector('#left').textContent"));
    expect(left).toMatch(/^Left out: \d+ messages outside/);
    const text = "document.querySelector('#facts b').textContent";
    expect(await page.evaluate(text)).toBe("<b onclick=x>&amp;</b>");
    const page31 = readFileSync(join(folder.path, "31.html"), "utf8");
    expect(page31.length).toBeLessThan(2_000_000);
  });
});
