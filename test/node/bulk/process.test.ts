/** The process of a bulk worker: what it has, and what is left of it. */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { getPriority } from "node:os";
import { beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { tryDriverApart } from "../../../src/node/bulk/process.ts";
import { QuicheEndpoint } from "../../../src/transport/quiche-endpoint.ts";
import { endpointClosed, endpointOptions, Talker } from "../../transport/quic-support.ts";
import { RawClient } from "../../transport/raw-client.ts";
import { needsReactor } from "../../transport/reactor-here.ts";
import { until } from "../../transport/support.ts";
import { authority, order, start } from "./support.ts";

const residentMiB = (pid: number): number => {
  const [, kib] = /VmRSS:\s+([0-9]+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1024;
};

/** What the other end of a connection is told that sent what is no answer. */
const ENDED = { by: "peer", isApp: true, code: 2, reason: "not an answer" };

describe("a bulk worker", () => {
  beforeEach(needsReactor);

  it("has an empty environment and a folder of its own, which goes with it however it ends", async () => {
    process.env["NEXUS_PASSPHRASE"] = "not for the worker";
    const { heard, ends, pid } = start();
    delete process.env["NEXUS_PASSPHRASE"];
    await until(() => heard.length > 0, "a word of the worker");
    expect(heard[0]).toMatchObject({ kind: "ready" });
    const folder = readlinkSync(`/proc/${pid}/cwd`);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
    expect(environment).toContain(`TMPDIR=${folder}`);
    expect(environment).not.toContain("not for the worker");
    // Its keys came over IPC: no argument and no file names them.
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toContain("PRIVATE");
    process.kill(pid, "SIGKILL");
    await until(() => ends.length > 0, "the end");
    expect(ends).toEqual(["the worker was ended by SIGKILL"]);
    expect(existsSync(folder)).toBe(false);
  });

  it("has every thread stand behind those of the node, whose votes are not to wait", async () => {
    const { worker, heard, ends, pid } = start();
    await until(() => heard.length > 0, "a word of the worker");
    const threads = readdirSync(`/proc/${pid}/task`).map(Number);
    // Those of V8, which were there before, and those of the driver, which came after.
    expect(threads.length).toBeGreaterThan(4);
    expect(threads.map((thread) => getPriority(thread)).filter((nice) => nice < 10)).toEqual([]);
    worker.end("stop", "a test");
    await until(() => ends.length > 0, "the end");
  });

  it("stops when it is told to, and its ports are free then", async () => {
    const { worker, heard, ends } = start();
    await until(() => heard.length > 0, "a word of the worker");
    const [ready] = heard;
    if (ready?.kind !== "ready") throw new Error("not ready");
    expect(new Set(ready.ports).size).toBe(2);
    worker.end("stop", "a test");
    await until(() => ends.length > 0, "the end");
    expect(ends).toEqual(["a test"]);
    const again = start({ listen: { host: "::1", port: ready.ports[0] ?? 0 }, listeners: 1 });
    await until(() => again.heard.length > 0, "a word of the next");
    expect(again.heard[0]).toMatchObject({ kind: "ready", ports: [ready.ports[0]] });
    again.worker.end("stop", "a test");
    await until(() => again.ends.length > 0, "the end");
  });

  it("keeps a place for members when strangers begin handshakes and leave them lying", async () => {
    const { worker, heard, pongs, ends } = start({ driver: "quiche", listeners: 1 });
    await until(() => heard.length > 0, "a word of the worker");
    const [ready] = heard;
    if (ready?.kind !== "ready") throw new Error("not ready");
    const clients: RawClient[] = [];
    const timesOf = (wanted: string): number =>
      pongs
        .flatMap(({ refused }) => refused)
        .reduce((sum, { detail, count }) => sum + (detail === wanted ? count : 0), 0);
    for (let i = 0; i < LIMITS.strangersPerNetworkMax + 4; i++) {
      const client = await RawClient.connect({ port: ready.ports[0] ?? 0, alpn: "tetrad-bulk/1" });
      client.mute();
      clients.push(client);
    }
    const late = "a handshake that is not completed";
    const full = "connection cap of one network's strangers reached";
    await until(() => timesOf(full) > 0, "a refusal");
    await until(() => timesOf(late) === LIMITS.strangersPerNetworkMax, "the end of all handshakes");
    for (const client of clients) client.dispose();
    worker.end("stop", "a test");
    await until(() => ends.length > 0, "the end");
  });

  it.each(["quiche", "reactor"] as const)(
    "on %s keeps its memory when a member that granted it connections sends on them without end",
    async (driver) => {
      const { worker, heard, ends, pid } = start({ driver });
      await until(() => heard.length > 0, "a word of the worker");
      const far: Talker[] = [];
      const trust = { authorityPem: authority.certPem };
      const listener = await QuicheEndpoint.bind(
        endpointOptions({
          ...{ alpn: ["tetrad-bulk/1"], clients: trust, identity: order.identity },
          accepted: (session) => far.push(new Talker(session)),
        }),
      );
      listener.startAccepting();
      worker.send({
        ...{ kind: "dial", peer: "aa", number: 1, remotes: [listener.local], connections: 4 },
        ...{ serverName: "x.invalid", authorityPem: authority.certPem },
        identity: authority.identity({ subject: "dialler" }),
      });
      await until(() => far.filter(({ established }) => established).length === 4, "four are up");
      const before = residentMiB(pid);
      let highest = before;
      const watch = setInterval(() => {
        highest = Math.max(highest, residentMiB(pid));
      }, 5);
      const load = new Uint8Array(100 * 1024 * 1024);
      for (const talker of far) talker.send(talker.session.openStream("bi"), load);
      await until(() => far.every(({ end }) => end !== undefined), "all four are ended");
      clearInterval(watch);
      expect(far.map(({ end }) => end)).toEqual(far.map(() => ENDED));
      await until(
        () => heard.some((word) => word.kind === "connections" && word.count === 0),
        "the node is told",
      );
      // What was on its way: 4 connections, and a window of 1 MiB of one stream each.
      expect(highest - before).toBeLessThan(64);
      expect(far.reduce((sum, { unsent }) => sum + unsent, 0)).toBeGreaterThan(300 * 1024 * 1024);
      await endpointClosed(listener);
      worker.end("stop", "a test");
      await until(() => ends.length > 0, "the end");
    },
  );

  it("says why it cannot listen", async () => {
    const { ends } = start({ listen: { host: "2001:db8::1", port: 0 } });
    await until(() => ends.length > 0, "the end");
    expect(ends[0]).toContain("cannot listen");
  });

  it("comes to its end where it has no folder to be in, and the node goes on", async () => {
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = "/nowhere/at/all";
    const { ends, pid } = start();
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    await until(() => ends.length > 0, "the end");
    expect(pid).toBe(0);
    expect(ends[0]).toContain("cannot be started: ENOENT");
  });

  it("tries either driver apart", async () => {
    expect(await tryDriverApart("quiche")).toMatchObject({ works: true });
    expect(await tryDriverApart("reactor")).toMatchObject({ works: true });
  });
});
