/** The admin socket: private, one backup at a time, and no more of a backup after whoever asked has gone. */
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { TetradError } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import { type AdminSocket, openAdminSocket, SOCKET_PATH_BYTES_MAX } from "../../src/node/admin.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-admin-"));
const path = join(folder, "admin.sock");
afterAll(() => rmSync(folder, { recursive: true }));

let open: AdminSocket | undefined;
afterEach(() => open?.close());

const logs: string[] = [];
const logger = {
  log: (_level: string, message: string) => {
    logs.push(message);
  },
};

const serve = async (backup: () => AsyncIterable<Uint8Array>): Promise<void> => {
  open = await openAdminSocket({ path, logger, backup });
  expect(open).toBeDefined();
};

const ask = async (method: string, target: string): Promise<IncomingMessage> => {
  const asked = request({ socketPath: path, path: target, method, agent: false });
  asked.on("error", () => {});
  asked.end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  return response;
};

const bodyOf = async (response: IncomingMessage): Promise<string> => {
  let text = "";
  for await (const piece of response) text += String(piece);
  return text;
};

async function* pieces(count: number, bytes = 1): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield new Uint8Array(bytes).fill(0x61 + (i % 26));
}

describe("the admin socket", () => {
  it("is its owner's alone, takes the place of one left behind, and goes with the node", async () => {
    writeFileSync(path, "left behind");
    await serve(() => pieces(3));
    expect(statSync(path).isSocket()).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await bodyOf(await ask("POST", "/backup"))).toBe("abc");
    await open?.close();
    expect(existsSync(path)).toBe(false);
  });

  it("knows nothing else", async () => {
    await serve(() => pieces(1));
    for (const [method, target] of [
      ["GET", "/backup"],
      ["POST", "/"],
      ["DELETE", "/backup"],
    ] as const) {
      const response = await ask(method, target);
      expect(response.statusCode).toBe(404);
      expect(JSON.parse(await bodyOf(response))).toMatchObject({ code: "http.not-found" });
    }
  });

  it("reads requests up to adminRequestBytesMax, and no longer ones", async () => {
    await serve(() => pieces(1));
    const status = async (length: number): Promise<number | undefined> => {
      const asked = request({ socketPath: path, path: "/none", agent: false });
      asked.on("error", () => {});
      // Node counts the head without the few bytes that it adds itself.
      asked.setHeader("x-filling", "a".repeat(length));
      asked.end();
      const [response] = (await once(asked, "response")) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    };
    expect(await status(LIMITS.adminRequestBytesMax - 512)).toBe(404);
    expect(await status(LIMITS.adminRequestBytesMax)).toBe(431);
  });

  it("makes one backup at a time, and stops one whose reader has gone away", async () => {
    let ended = false;
    let made = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for await (const piece of pieces(Number.POSITIVE_INFINITY, 65_536)) {
          made += 1;
          yield piece;
        }
      } finally {
        ended = true;
      }
    }
    await serve(endless);
    const first = await ask("POST", "/backup");
    const second = await ask("POST", "/backup");
    expect(second.statusCode).toBe(409);
    expect(JSON.parse(await bodyOf(second))).toMatchObject({ code: "backup.refused" });
    // Nobody reads: no more is made than fits the buffers between the two.
    expect(made).toBeLessThan(200);
    first.destroy();
    while (!ended) await new Promise((resolve) => setTimeout(resolve, 5));
    const third = await ask("POST", "/backup");
    expect(third.statusCode).toBe(200);
    third.destroy();
  });

  it("outlives a backup that cannot be begun", async () => {
    let broken = true;
    await serve(() => {
      if (broken) throw new TetradError("config.genesis", "genesis.json cannot be read");
      return pieces(1);
    });
    const refused = await ask("POST", "/backup");
    expect(JSON.parse(await bodyOf(refused))).toMatchObject({ code: "config.genesis" });
    broken = false;
    expect(await bodyOf(await ask("POST", "/backup"))).toBe("a");
  });

  it("tells what went wrong before the first byte, and breaks off after it", async () => {
    await serve(async function* () {
      yield* pieces(0);
      throw new TetradError("backup.refused", "no chain");
    });
    const refused = await ask("POST", "/backup");
    expect(refused.statusCode).toBe(409);
    expect(JSON.parse(await bodyOf(refused))).toEqual({
      code: "backup.refused",
      detail: "no chain",
    });
    await open?.close();
    await serve(async function* () {
      yield* pieces(1);
      throw new TetradError("store.corrupt", "a row");
    });
    await expect(bodyOf(await ask("POST", "/backup"))).rejects.toThrow();
  });

  it("is left out where a socket's path would be too long; the node runs without it", async () => {
    const long = join(folder, "x".repeat(SOCKET_PATH_BYTES_MAX));
    const none = await openAdminSocket({ path: long, logger, backup: () => pieces(1) });
    expect(none).toBeUndefined();
    expect(logs.at(-1)).toContain("no admin socket");
    const nowhere = join(folder, "none", "admin.sock");
    expect(
      await openAdminSocket({ path: nowhere, logger, backup: () => pieces(1) }),
    ).toBeUndefined();
  });
});
