/** The issuer over a chain in memory: what waits is signed once, whatever is lost in between. */
import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CERTIFICATES,
  certificateIssued,
  certificateKey,
  ctIndexKey,
  decodeCertificate,
  decodeIssuer,
  decodeSettled,
  issuerKey,
  settledKey,
} from "../../src/ca/index.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { fail, ok, type Result } from "../../src/errors.ts";
import { actorId, decodeBatch } from "../../src/ledger/batch.ts";
import type { BatchReceipt, LedgerHandle } from "../../src/ledger/handle.ts";
import { rowPrefix } from "../../src/ledger/keys.ts";
import { actorRegistered } from "../../src/ledger/projections/events.ts";
import { decodeRow, readRow } from "../../src/ledger/row.ts";
import { LIMITS } from "../../src/limits.ts";
import { serialFor, startIssuer } from "../../src/node/ca/issuer.ts";
import { type IssuerSigner, issuerSigner } from "../../src/node/ca/issuer-signer.ts";
import {
  created,
  csrOf,
  issuerId,
  issuerPrivateKey,
  KEYS,
  PROJECTIONS,
  requestOf,
} from "../ca/support.ts";
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
  behave: "execute" | "lose answer" | "lose" | "refuse" | "expire" = "execute";
  /** What was submitted, byte for byte. */
  readonly sent: Uint8Array[] = [];
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
    this.sent.push(bytes);
    this.batches.push(batch.value.events.map(({ type }) => type));
    if (this.behave === "refuse") return done(fail("node.overloaded", "full"));
    if (this.behave === "expire") return done(fail("batch.expired", "too old"));
    if (this.behave === "lose") return;
    this.execute(bytes, done);
  }

  /** A block with one batch, which may have been under way for long. */
  execute(
    bytes: Uint8Array,
    done: (result: Result<BatchReceipt>) => void = () => {},
  ): readonly string[] {
    const batch = decodeBatch(hasher, bytes);
    if (!batch.ok) throw new Error(batch.detail);
    this.#lane += 1;
    const height = this.chain.height + 1;
    const header = { height, timeMs: genesis.timeMs + height * 250 };
    const { entries } = this.chain.run({ header, batches: [batch.value] });
    const outcomes = entries.map(({ outcome }) => outcome);
    const receipt = { batchId: batch.value.id, level: "projected", outcomes } as const;
    if (this.behave === "execute") done(ok(receipt));
    this.executed();
    return outcomes.map((one) => (one.kind === "refused" ? one.code : one.kind));
  }

  /** Lets ledger time pass. */
  pass(seconds: number): void {
    this.chain.height += seconds * 4;
    this.chain.roots = { ...this.chain.roots, height: this.chain.height };
    this.chain.block();
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
      logger: { log: (_level, message) => void this.logged.push(message) },
      metrics: { count: () => {}, gauge: () => {}, observe: () => {} },
    });
  }
  settled(request: number) {
    const row = this.handle.row(CERTIFICATES, settledKey(request));
    return row === undefined ? undefined : decodeSettled(row);
  }

  /** The certificates that were sent, in order. */
  certificates(): readonly Uint8Array[] {
    return this.sent.flatMap((bytes) => {
      const batch = decodeBatch(hasher, bytes);
      const events = batch.ok ? batch.value.events : [];
      const issued = events.filter(({ type }) => type === certificateIssued.type);
      return issued.map(({ payload }) => {
        const value = certificateIssued.decode(payload);
        if (!value.ok) throw new Error(value.detail);
        return value.value.certificate;
      });
    });
  }

  /** Lets a timer of this length run out. */
  wait(delayMs: number): void {
    this.timers.find((timer) => timer.delayMs === delayMs)?.run();
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

  it("that dies while its batch is under way signs the very same again, hours later too", async () => {
    const { world, issuer } = await started();
    world.behave = "lose";
    world.ask(CSR);
    await until(() => world.issued() === 1);
    issuer.stop();
    world.behave = "execute";
    world.pass(5 * 3600);
    const next = world.start();
    await until(() => world.settled(1) !== undefined);
    // The first batch gets into the log after the second: refused, and every certificate in it an entry.
    const [first = new Uint8Array(0)] = world.sent.slice(1);
    expect(world.execute(first)).toEqual(["ca.request-settled"]);
    const [one = Uint8Array.of(0), two, ...more] = world.certificates();
    expect(two).toEqual(one);
    expect(more).toEqual([]);
    expect(world.handle.row("ct", ctIndexKey(sha256(one)))).toBeDefined();
    next.stop();
  });

  it("that has no answer in time sends the same batch again", async () => {
    const { world, issuer } = await started();
    world.behave = "lose";
    world.ask(CSR);
    await until(() => world.issued() === 1);
    world.wait(30_000);
    await until(() => world.timers.some(({ delayMs }) => delayMs === 1000));
    world.behave = "execute";
    world.wait(1000);
    await until(() => world.settled(1) !== undefined);
    expect(world.sent[2]).toEqual(world.sent[1]);
    expect(world.sent.length).toBe(3);
    issuer.stop();
  });

  it("whose batch has expired makes another of the same certificate", async () => {
    const { world, issuer } = await started();
    world.behave = "expire";
    world.ask(CSR);
    await until(() => world.timers.some(({ delayMs }) => delayMs === 1000));
    world.behave = "execute";
    world.pass(3600);
    world.wait(1000);
    await until(() => world.settled(1) !== undefined);
    const [one, two] = world.certificates();
    expect(one).toBeDefined();
    expect(two).toEqual(one);
    issuer.stop();
  });

  it("registers itself by the same certificate, when it tries twice on a day", async () => {
    const roots: Uint8Array[] = [];
    for (const seconds of [0, 3600]) {
      const world = new World();
      world.pass(seconds);
      const issuer = world.start();
      await until(() => registered(world));
      const row = world.handle.row(CERTIFICATES, issuerKey(issuerId)) as Uint8Array;
      roots.push(decodeIssuer(row).certificate);
      issuer.stop();
    }
    expect(roots[1]).toEqual(roots[0]);
  });

  it("signs nothing where another actor has registered its key", async () => {
    const world = new World();
    const rival = actorRegistered.encode({
      publicKey: keyOf("rival"),
      name: "rival",
      permissions: ["ca.*"],
    });
    world.chain.block({ by: "root", events: [rival] });
    world.chain.block({ by: "rival", events: [created] });
    const issuer = world.start();
    world.ask(CSR);
    await until(() => world.logged.length > 0);
    expect(world.logged).toEqual(["the issuer is another actor's, and signs nothing"]);
    expect(world.sent).toEqual([]);
    issuer.stop();
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
      ...good,
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

describe("serial numbers", () => {
  const signer = issuerSigner(issuerPrivateKey);

  it("follow from the request, and differ for another request, content or key", async () => {
    const other = issuerSigner(KEYS.p256());
    const body = fc.uint8Array({ minLength: 1, maxLength: 600 });
    const index = fc.maxSafeNat();
    await fc.assert(
      fc.asyncProperty(index, index, body, fc.nat(), async (one, two, bytes, at) => {
        const changed = bytes.slice();
        changed[at % bytes.length] = (changed[at % bytes.length] ?? 0) ^ 1;
        const of = (request: number, content: Uint8Array, by = signer) =>
          serialFor(by, request, () => content).then(toHex);
        const serial = await of(one, bytes);
        expect(serial).toMatch(/^01[0-9a-f]{32}$/);
        expect(await of(one, bytes, issuerSigner(issuerPrivateKey))).toBe(serial);
        if (one !== two) expect(await of(two, bytes)).not.toBe(serial);
        expect(await of(one, changed)).not.toBe(serial);
        expect(await of(one, bytes, other)).not.toBe(serial);
      }),
      { numRuns: 100 },
    );
  });
});
