/** The folder of its own through which the reactor's library hands keys on: nobody else sees into it, and it stays. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { QuicEndpoint } from "../../src/transport/quic-endpoint.ts";
import { QuicheEndpoint } from "../../src/transport/quiche-endpoint.ts";
import { loadReactor, systemTemporary } from "../../src/transport/reactor-binding.ts";
import { ReserveEndpoint } from "../../src/transport/reserve-endpoint.ts";
import { endpointClosed, endpointOptions, Talker } from "./quic-support.ts";
import { needsReactor } from "./reactor-here.ts";
import { idOf, makeIdentity, until } from "./support.ts";

const system = systemTemporary();
const open: QuicEndpoint[] = [];
let parent = "";
let folder = "";

beforeEach((context) => {
  needsReactor(context);
  parent = mkdtempSync(join(system, "nexus-folder-test-"));
  folder = join(parent, "tls-tmp");
});

afterEach(async () => {
  await Promise.all(open.splice(0).map(endpointClosed));
  rmSync(parent, { recursive: true, force: true });
});

const facts = (path: string) => ({ mode: statSync(path).mode & 0o777, files: readdirSync(path) });
const OWN = { mode: 0o700, files: [] };

describe("the folder that is asked for", () => {
  it("is the process's temporary one from then on, made anew and for nobody else", async () => {
    mkdirSync(folder, { mode: 0o755 });
    writeFileSync(join(folder, "quic-key.pem"), "left by a process that was killed");
    await loadReactor(folder);
    expect(facts(folder)).toEqual(OWN);
    expect(tmpdir()).toBe(folder);
    expect(systemTemporary()).toBe(system);
  });

  it("takes the place of another, and is the same where none is named", async () => {
    const other = join(parent, "other");
    for (const own of [folder, other]) await loadReactor(own);
    await loadReactor();
    expect(tmpdir()).toBe(other);
    expect(systemTemporary()).toBe(system);
  });

  it("may be made the next time where it could not be", async () => {
    writeFileSync(folder, "no folder");
    const inside = join(folder, "tls-tmp");
    await expect(loadReactor(inside)).rejects.toThrow(/ENOTDIR/);
    rmSync(folder);
    mkdirSync(folder);
    await loadReactor(inside);
    expect(facts(inside)).toEqual(OWN);
    expect(tmpdir()).toBe(inside);
  });

  it("is made again by the next load where it is gone, or open to others, and else left alone", async () => {
    await loadReactor(folder);
    rmSync(folder, { recursive: true });
    await loadReactor(folder);
    expect(facts(folder)).toEqual(OWN);
    writeFileSync(join(folder, "of a dial"), "");
    await loadReactor(folder);
    expect(facts(folder).files).toEqual(["of a dial"]);
    chmodSync(folder, 0o755);
    await loadReactor(folder);
    expect(facts(folder)).toEqual(OWN);
  });
});

const bind = async () => {
  const server = endpointOptions({ identity: makeIdentity(idOf(1)) });
  const far = await QuicheEndpoint.bind(server);
  far.startAccepting();
  const client = endpointOptions({ identity: makeIdentity(idOf(0)) });
  const near = await ReserveEndpoint.bind(client, folder);
  open.push(far, near);
  const dial = async (): Promise<Talker> => {
    const session = near.dial(far.local);
    if (session === undefined) throw new Error("not dialled");
    const talker = new Talker(session);
    await until(() => talker.established, "the session is up");
    return talker;
  };
  return { near, far, client, dial };
};

describe("a dial of the reserve", () => {
  it("hands its key on through that folder and no other, and leaves nothing there", async () => {
    const { dial } = await bind();
    const seen: string[] = [];
    const elsewhere: string[] = [];
    const watching = [
      watch(folder, (_event, name) => void seen.push(name ?? "")),
      watch(system, (_event, name) => void elsewhere.push(name ?? "")),
    ];
    try {
      await dial();
      await until(() => seen.length > 0, "files in the folder");
    } finally {
      for (const one of watching) one.close();
    }
    expect(facts(folder)).toEqual(OWN);
    expect(elsewhere.filter((name) => seen.includes(name))).toEqual([]);
  });

  it("goes on where somebody has taken the folder away", async () => {
    const { client, dial } = await bind();
    rmSync(folder, { recursive: true });
    await dial();
    expect(facts(folder)).toEqual(OWN);
    expect(client.met.failures).toEqual([]);
  });

  it("fails the endpoint, with the reason, where it cannot be made again", async () => {
    const { near, far, client } = await bind();
    rmSync(parent, { recursive: true });
    expect(near.dial(far.local)).toBeUndefined();
    expect(client.met.failures).toEqual([expect.stringMatching(/cannot dial: .*ENOENT/)]);
  });

  it("fails alone, with the reason, where a session is up that carries something", async () => {
    const { near, far, client, dial } = await bind();
    const talker = await dial();
    talker.session.known?.();
    rmSync(parent, { recursive: true });
    expect(near.dial(far.local)).toBeUndefined();
    expect(near.refusal).toMatchObject({
      ...{ code: "transport.driver-failed" },
      detail: expect.stringMatching(/^the reactor cannot dial: .*ENOENT/),
    });
    expect([client.met.failures, talker.end]).toEqual([[], undefined]);
    mkdirSync(parent);
    await dial();
    expect(near.refusal).toBeUndefined();
  });
});
