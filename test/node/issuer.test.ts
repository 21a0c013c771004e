/** The issuer over a chain in memory: what waits is signed once, whatever is lost in between. */
import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  CERTIFICATES,
  certificateKey,
  decodeCertificate,
  decodeIssuer,
  decodeSettled,
  issuerKey,
  settledKey,
} from "../../src/ca/index.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { fail, ok, type Result } from "../../src/errors.ts";
import { actorId, decodeBatch } from "../../src/ledger/batch.ts";
import type { BatchReceipt, LedgerHandle } from "../../src/ledger/handle.ts";
import { rowPrefix } from "../../src/ledger/keys.ts";
import { decodeRow, readRow } from "../../src/ledger/row.ts";
import { LIMITS } from "../../src/limits.ts";
import { startIssuer } from "../../src/node/ca/issuer.ts";
import { type IssuerSigner, issuerSigner } from "../../src/node/ca/issuer-key.ts";
import { csrOf, issuerId, issuerPrivateKey, PROJECTIONS, requestOf } from "../ca/support.ts";
import {
  genesis,
  hasher,
  keyOf,
  runnerOptions,
  TestChain,
  testSign,
} from "../ledger/execution-support.ts";

const CSR = csrOf({ names: "DNS:www.example.org" });

/** A request whose signature is not by its key, as it might reach the log by another way than the API. */
const unproven = (): Uint8Array => {
  const csr = csrOf({ names: "DNS:b.example.org" });
  csr[csr.length - 1] = (csr.at(-1) ?? 0) ^ 1;
  return csr;
};

/** What the issuer sees of a node whose chain is the test's: each batch is a block. */
class World {
  readonly chain = new TestChain(runnerOptions(PROJECTIONS));
  readonly timers: { readonly delayMs: number; readonly run: () => void }[] = [];
  readonly logged: string[] = [];
  readonly batches: (readonly string[])[] = [];
  /** What becomes of submitted batches; the default executes them. */
  behave: "execute" | "lose answer" | "lose" | "refuse" = "execute";
  #listeners = new Set<() => void>();
  #lane = 0;

  readonly handle = {
    status: () => ({
      executedHeight: this.chain.height,
      refHeight: 0,
      refHash: new Uint8Array(32),
    }),
    timeOf: (height: number) => genesis.timeMs + height * 250,
    row: (name: string, key: Uint8Array) => readRow(this.chain.store.read, name, key)?.value,
    rows: (
      name: string,
      { prefix, limit }: { readonly prefix: Uint8Array; readonly limit: number },
      done: (rows: Result<readonly { key: Uint8Array; value: Uint8Array }[]>) => void,
    ) => {
      const base = toHex(rowPrefix(name));
      const found = this.chain.store
        .dump()
        .filter(([key]) => key.startsWith(base + toHex(prefix)))
        .slice(0, limit)
        .map(([key, value]) => ({
          key: new Uint8Array(Buffer.from(key.slice(base.length), "hex")),
          value: decodeRow(new Uint8Array(Buffer.from(value, "hex"))).value,
        }));
      done(ok(found));
    },
    lane: () => ({ pendingSeq: this.#lane, pendingId: new Uint8Array(32) }),
    submit: (bytes: Uint8Array, _level: string, done: (result: Result<BatchReceipt>) => void) => {
      this.#submit(bytes, done);
      return () => {};
    },
    onExecuted: (listener: () => void) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    },
  } as unknown as LedgerHandle;

  #submit(bytes: Uint8Array, done: (result: Result<BatchReceipt>) => void): void {
    const batch = decodeBatch(hasher, bytes);
    if (!batch.ok) throw new Error(batch.detail);
    this.batches.push(batch.value.events.map(({ type }) => type));
    if (this.behave === "refuse") return done(fail("node.overloaded", "full"));
    if (this.behave === "lose") return;
    this.#lane += 1;
    const height = this.chain.height + 1;
    const header = { height, timeMs: genesis.timeMs + height * 250 };
    const { entries } = this.chain.run({ header, batches: [batch.value] });
    const outcomes = entries.map(({ outcome }) => outcome);
    const receipt = { batchId: batch.value.id, level: "projected", outcomes } as const;
    if (this.behave === "execute") done(ok(receipt));
    this.executed();
  }

  executed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  ask(...csrs: readonly Uint8Array[]): void {
    this.chain.block({ by: "root", events: csrs.map((csr) => requestOf(csr)) });
    this.executed();
  }

  start(signer: IssuerSigner = issuerSigner(issuerPrivateKey)) {
    return startIssuer({
      handle: this.handle,
      chainId: genesis.chainId,
      name: "test",
      signer,
      actor: {
        publicKey: keyOf("root"),
        sign: (message: Uint8Array, done: (signature: Uint8Array) => void) =>
          done(testSign(message, keyOf("root"))),
      },
      timers: {
        set: (delayMs, run) => {
          const timer = { delayMs, run };
          this.timers.push(timer);
          return () => {
            const at = this.timers.indexOf(timer);
            if (at >= 0) this.timers.splice(at, 1);
          };
        },
      },
      random: { u32: () => (this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0) },
      logger: { log: (_level, message) => void this.logged.push(message) },
      metrics: { count: () => {}, gauge: () => {}, observe: () => {} },
    });
  }
  #random = 1;

  settled(request: number) {
    const row = this.handle.row(CERTIFICATES, settledKey(request));
    return row === undefined ? undefined : decodeSettled(row);
  }

  issued(): number {
    return this.batches.flat().filter((type) => type === "ca.certificate.issued").length;
  }
}

/** The issuer signs in a thread; this waits until it has nothing to do. */
const until = async (condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 400 && !condition(); i++) {
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  expect(condition()).toBe(true);
};

const registered = (world: World): boolean =>
  world.handle.row(CERTIFICATES, issuerKey(issuerId)) !== undefined;

/** A world whose issuer is registered. */
const started = async () => {
  const world = new World();
  world.chain.block();
  const issuer = world.start();
  await until(() => registered(world));
  return { world, issuer };
};

describe("an issuer", () => {
  it("registers itself by a certificate that it signed", async () => {
    const { world, issuer } = await started();
    expect(issuer.id).toEqual(issuerId);
    const row = decodeIssuer(world.handle.row(CERTIFICATES, issuerKey(issuerId)) as Uint8Array);
    expect(row.actor).toEqual(actorId(hasher, keyOf("root")));
    const root = new X509Certificate(row.certificate);
    expect(root.verify(root.publicKey)).toBe(true);
    expect(root.subject).toContain("Development CA");
    issuer.stop();
  });

  it("waits for the first block: before it there is no ledger time", () => {
    const world = new World();
    const issuer = world.start();
    expect(world.batches).toEqual([]);
    issuer.stop();
  });

  it("answers all that waits, a few at a time, with serial numbers that differ", async () => {
    const { world, issuer } = await started();
    const count = LIMITS.caSignaturePositionsMax + 3;
    world.ask(...Array.from({ length: count }, () => CSR));
    await until(() => world.settled(count) !== undefined);
    expect(world.batches.slice(1).map((types) => types.length)).toEqual([
      LIMITS.caSignaturePositionsMax,
      3,
    ]);
    const serials = Array.from({ length: count }, (_, i) => {
      const fingerprint = world.settled(i + 1)?.fingerprint ?? new Uint8Array(32);
      const row = world.handle.row(CERTIFICATES, certificateKey(fingerprint)) as Uint8Array;
      return new X509Certificate(decodeCertificate(row).certificate).serialNumber;
    });
    expect(new Set(serials).size).toBe(count);
    for (const serial of serials) expect(serial).toMatch(/^01[0-9A-F]{32}$/);
    issuer.stop();
  });

  it("denies a request that its key did not sign, and goes on", async () => {
    const { world, issuer } = await started();
    world.ask(unproven(), CSR);
    await until(() => world.settled(2) !== undefined);
    expect(world.settled(1)).toMatchObject({ code: "ca.csr-signature" });
    expect(world.settled(2)).toMatchObject({ code: "" });
    issuer.stop();
  });

  it("that dies before it signs leaves the request to its next life", async () => {
    const { world, issuer } = await started();
    issuer.stop();
    world.ask(CSR);
    expect(world.issued()).toBe(0);
    const next = world.start();
    await until(() => world.settled(1) !== undefined);
    expect(world.issued()).toBe(1);
    next.stop();
  });

  it("that dies after it signed, its batch lost, signs again; only one is in the log", async () => {
    const { world, issuer } = await started();
    world.behave = "lose";
    world.ask(CSR);
    await until(() => world.issued() === 1);
    issuer.stop();
    world.behave = "execute";
    const next = world.start();
    await until(() => world.settled(1) !== undefined);
    expect(world.issued()).toBe(2);
    next.stop();
  });

  it("that dies before it hears of its certificate does not sign again", async () => {
    const { world, issuer } = await started();
    world.behave = "lose answer";
    world.ask(CSR);
    await until(() => world.settled(1) !== undefined);
    issuer.stop();
    world.behave = "execute";
    const next = world.start();
    world.ask(CSR);
    await until(() => world.settled(3) !== undefined || world.issued() === 2);
    expect(world.issued()).toBe(2);
    next.stop();
  });

  it("pauses, longer each time, while its batches are not taken", async () => {
    const { world, issuer } = await started();
    world.behave = "refuse";
    world.ask(CSR);
    await until(() => world.timers.some(({ delayMs }) => delayMs === 1000));
    // Blocks that come meanwhile do not make it try again.
    world.executed();
    expect(world.issued()).toBe(1);
    world.timers.find(({ delayMs }) => delayMs === 1000)?.run();
    await until(() => world.timers.some(({ delayMs }) => delayMs === 2000));
    world.behave = "execute";
    world.timers.find(({ delayMs }) => delayMs === 2000)?.run();
    await until(() => world.settled(1) !== undefined);
    issuer.stop();
  });

  it("survives a signer that fails", async () => {
    const { world, issuer } = await started();
    issuer.stop();
    const good = issuerSigner(issuerPrivateKey);
    let failures = 1;
    const next = world.start({
      spki: good.spki,
      sign: (body) => (failures-- > 0 ? Promise.reject(new Error("busy")) : good.sign(body)),
    });
    world.ask(CSR);
    await until(() => world.timers.length > 0);
    expect(world.logged).toContain("the issuer failed, and tries again");
    world.timers[0]?.run();
    await until(() => world.settled(1) !== undefined);
    next.stop();
  });
});
