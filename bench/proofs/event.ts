/**
 * The four proofs of a batch as a node takes it in, each apart and then all in their order, at 1, 16, 64 and
 * 1,024 events of 200 bytes: what making takes its author or host, and what checking takes everybody. The
 * functions are those of admission; what they remember of a batch is kept from them. Microseconds of CPU of one
 * thread.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { FALCON_SEED_BYTES, type FalconVerifier, nobleVerifier } from "../../src/crypto/falcon.ts";
import { expandFalconKey } from "../../src/crypto/falcon-expanded-key.ts";
import { falconSignExpanded } from "../../src/crypto/falcon-sign.ts";
import { loadFalconWasm } from "../../src/crypto/falcon-wasm.ts";
import { createHasher, type Hasher } from "../../src/crypto/hash.ts";
import {
  actorId,
  batchDigest,
  batchSigningMessage,
  buildBatch,
  openBatch,
  readProofs,
  readSealed,
  sealBatch,
  withProof,
} from "../../src/ledger/batch.ts";
import {
  effortOf,
  openWorkCheck,
  type WorkTerms,
  workedBatch,
  workSlot,
  workSubject,
} from "../../src/ledger/batch-work.ts";
import type { Genesis } from "../../src/ledger/genesis.ts";
import { NO_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import type { EventContext } from "../../src/ledger/projection.ts";
import { capabilities, capabilityAllows } from "../../src/ledger/projections/capabilities.ts";
import { capabilityGranted, recordPut } from "../../src/ledger/projections/events.ts";
import {
  checkHost,
  hostOpeningTask,
  hostSlot,
  type SpaceFacts,
} from "../../src/ledger/space-openings.ts";
import type { Batch } from "../../src/ledger/types.ts";
import { checkLane, checkReference, type InclusionPoint } from "../../src/ledger/validity.ts";
import { layerPaths, makeLayersFolder } from "../../src/node/space/files.ts";
import { makeSector } from "../../src/node/space/make-sector.ts";
import { type OpenSector, openSector } from "../../src/node/space/open-sector.ts";
import { makeOpenings } from "../../src/proofs/space/openings.ts";
import { SPACE_PROFILES } from "../../src/proofs/space/parameters.ts";
import { spaceHashesOf } from "../../src/proofs/space/tree.ts";
import {
  createWorkSearch,
  encodeWorkProof,
  verifyWork,
  WORK_PROFILES,
} from "../../src/proofs/work/index.ts";
import type { Report } from "../report.ts";

const COUNTS = [1, 16, 64, 1024] as const;
const EVENT_BYTES = 200;
const REF_HEIGHT = 16;
const filled = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

const cpuMicros = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** Mean microseconds of CPU of a step, over at least `ms` of it. */
const microsOf = (ms: number, step: (i: number) => void): { us: number; n: number } => {
  for (let i = 0; i < 3; i++) step(i);
  const warm = cpuMicros();
  for (let i = 3; cpuMicros() - warm < (ms * 1000) / 5; i++) step(i);
  const from = cpuMicros();
  let n = 0;
  while (cpuMicros() - from < ms * 1000) step(1_000_000 + n++);
  return { us: (cpuMicros() - from) / n, n };
};

type Bench = {
  readonly hasher: Hasher;
  readonly actor: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly facts: SpaceFacts;
  readonly sector: OpenSector;
  readonly wasm: FalconVerifier;
  sign(message: Uint8Array): Uint8Array;
};

const WORK = WORK_PROFILES.dev;
const TERMS: WorkTerms = { beacon: filled(4), price: WORK.price.priceStart };
const HEAD = { seq: 0, id: new Uint8Array(32) };
const POINT: InclusionPoint = {
  height: 20,
  timeMs: 20_000,
  hashAt: (height) => (height === REF_HEIGHT ? filled(5) : undefined),
  timeAt: (height) => 1000 * height,
};

const eventsOf = (count: number) =>
  Array.from({ length: count }, (_, i) => {
    const shape = { topic: "bench", key: String(i).padStart(9, "0"), body: new Uint8Array(0) };
    const empty = recordPut.encode(shape).bytes.length;
    return recordPut.encode({ ...shape, body: utf8("x".repeat(EVENT_BYTES - empty)) });
  });

/** What becomes of a batch: the steps of whoever makes it, and one envelope that has all its proofs. */
const makeBatch = (bench: Bench, count: number) => {
  const { hasher, actor, facts, sector } = bench;
  const lane = { actor, laneSeq: 1, prevBatchId: HEAD.id };
  const input = { ...lane, refHeight: REF_HEIGHT, refHash: filled(5), events: eventsOf(count) };
  const build = () => buildBatch(hasher, input);
  const unsigned = build();
  const effort = effortOf(WORK, TERMS, workedBatch(unsigned));
  const work = (i: number): Uint8Array => {
    const prefix = new Uint8Array(12);
    new DataView(prefix.buffer).setUint32(0, i);
    const subject = workSubject(workedBatch(unsigned), TERMS);
    const search = createWorkSearch(hasher, WORK.puzzle, subject, effort, prefix);
    for (let counter = 0; ; counter++) {
      const proof = search.attempt(counter);
      if (proof !== undefined) return encodeWorkProof(WORK.puzzle, proof);
    }
  };
  const host = () => {
    const { statement } = sector.header;
    const task = hostOpeningTask(hasher, facts, statement, input, TERMS.beacon);
    const openings = makeOpenings(spaceHashesOf(hasher), [sector.tree], task.challenges);
    return hostSlot(statement, openings);
  };
  const signature = bench.sign(unsigned.signingMessage);
  const { bytes } = sealBatch(hasher, unsigned, signature, [workSlot(work(0))]);
  const sealed = readSealed(hasher, bytes);
  const hosted = sealed.ok ? withProof(sealed.value, host()) : sealed;
  if (!hosted.ok) throw new Error(hosted.detail);
  return { envelope: hosted.value, unsigned, effort, build, work, host };
};

const must = <T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false }): T => {
  if (!result.ok) throw new Error("a proof that was just made does not verify");
  return result.value;
};

const none = (failure: { readonly detail: string } | undefined): void => {
  if (failure !== undefined) throw new Error(failure.detail);
};

/** Checks of admission in their order; each gives nothing away to the next run of itself. */
const checksOf = (bench: Bench, envelope: Uint8Array) => {
  const { hasher, facts } = bench;
  const sealed = must(readSealed(hasher, envelope));
  const opened = must(openBatch(hasher, sealed, batchDigest(hasher, envelope)));
  const time = (): void => {
    none(checkLane(sealed, HEAD));
    none(checkReference(sealed, POINT));
  };
  const work = (): void => {
    const slots = must(readProofs(sealed));
    const check = must(openWorkCheck(hasher, WORK, sealed, slots, TERMS));
    must(verifyWork(hasher, check.puzzle, check.subject, check.proof, check.required));
  };
  // Another object each time: what has passed is remembered by the object.
  const space = (batch: Batch = { ...opened }): void =>
    none(checkHost(hasher, facts, batch, () => TERMS.beacon));
  const stake = (falcon: FalconVerifier): void => {
    const message = batchSigningMessage(hasher, opened.id);
    if (!falcon.verify(opened.signature, message, bench.publicKey)) throw new Error("signature");
  };
  const read = (): Batch =>
    must(openBatch(hasher, must(readSealed(hasher, envelope)), batchDigest(hasher, envelope)));
  const all = (falcon: FalconVerifier): void => {
    time();
    work();
    space(read());
    stake(falcon);
  };
  return { time, work, space, stake, read, all };
};

/** Of an actor that has no permission and one capability: what each event costs besides. */
const capabilityStep = (bench: Bench): (() => void) => {
  const { hasher, actor } = bench;
  const rows = new Map<string, Uint8Array>();
  const tx = {
    get: (key: Uint8Array) => rows.get(toHex(key)),
    put: (key: Uint8Array, value: Uint8Array) => void rows.set(toHex(key), value),
    del: (key: Uint8Array) => void rows.delete(toHex(key)),
  };
  const giver = filled(9);
  const actors = [
    { id: giver, permissions: ["*"] },
    { id: actor, permissions: [] },
  ];
  const genesis = { actors, validators: [], proofs: NO_PROOFS } as unknown as Genesis;
  capabilities.genesis?.(tx, genesis, { hasher });
  const granted = capabilities.owns.find(({ definition }) => definition === capabilityGranted);
  const end = Number.MAX_SAFE_INTEGER;
  const value = { holder: actor, parent: new Uint8Array(32), delegable: false, notAfterMs: end };
  const rest = { actions: ["record.put"], resource: "record/bench/" };
  const context = { hasher, batchId: filled(1), position: 0, actor: giver, height: 1, timeMs: 1 };
  granted?.apply(tx, { ...value, ...rest }, context as EventContext);
  const use = { actor, type: "record.put", resource: "record/bench/1", timeMs: 2 };
  return () => {
    if (!capabilityAllows(tx, use)) throw new Error("the capability does not allow it");
  };
};

type Table = Map<string, (number | undefined)[]>;

const measureCount = (report: Report, bench: Bench, count: number, ms: number, table: Table) => {
  const made = makeBatch(bench, count);
  const checks = checksOf(bench, made.envelope);
  const row = (what: string, step: (i: number) => void, budget = ms): void => {
    const { us, n } = microsOf(budget, step);
    report.row(`k=${count}`, what, us, "us/batch", n);
    if (count > 1) report.row(`k=${count}`, what, us / count, "us/event", n);
    table.set(what, [...(table.get(what) ?? []), us]);
  };
  row("make: hash and frame events", made.build);
  row("prove space: host's opening, dev sector", made.host);
  row("prove work: search at the dev profile", made.work, 6 * ms);
  report.row(`k=${count}`, "effort asked for", made.effort, "", 1);
  row("prove stake: FALCON-1024 signature", () => void bench.sign(made.unsigned.signingMessage));
  row("verify time: lane, reference, expiry", checks.time);
  row("verify work: effort hash, Equihash", checks.work);
  row("verify space: host's opening", () => checks.space());
  row("verify stake: signature, WASM", () => checks.stake(bench.wasm));
  row("verify stake: signature, JavaScript", () => checks.stake(nobleVerifier));
  row("read: decode and hash the events", () => void checks.read());
  row("all four, read included, WASM", () => checks.all(bench.wasm));
  row("all four, read included, JavaScript", () => checks.all(nobleVerifier));
  report.row(`k=${count}`, "batch with all proofs", made.envelope.length, "bytes", 1);
};

/** For people: a step a line, a size a column, a batch and an event of it. */
const printTable = (table: Table): void => {
  const head = COUNTS.map((count) => `k=${count}`.padStart(9));
  const cell = (us: number | undefined): string =>
    us === undefined ? "-".padStart(9) : us.toFixed(us < 100 ? 2 : 0).padStart(9);
  const lines: string[] = [];
  for (const [unit, part] of [
    ["us a batch", () => 1],
    ["us an event", (i: number) => COUNTS[i] ?? 1],
  ] as const) {
    lines.push(`\n${unit.padEnd(42)}${head.join("")}`);
    for (const [what, values] of table) {
      const cells = values.map((us, i) => cell(us === undefined ? us : us / part(i)));
      lines.push(`${what.padEnd(42)}${cells.join("")}`);
    }
  }
  process.stderr.write(`${lines.join("\n")}\n`);
};

const openBench = async (folder: string): Promise<Bench> => {
  const hasher = createHasher("bench-event");
  const wasm = await loadFalconWasm();
  const { publicKey, secretKey } = wasm.keygen();
  const key = expandFalconKey(secretKey);
  const parameters = SPACE_PROFILES.dev;
  const { lgNodes, layers } = parameters;
  const validatorId = filled(1);
  const file = join(folder, "dev.sector");
  makeLayersFolder(layerPaths(file).folder);
  const statement = { validatorId, sectorNo: 0, beacon: filled(2), lgNodes, layers };
  const commitments = { commC: filled(0), commRl: filled(0) };
  const header = { chainId: hasher.chainId, genesisHash: filled(0) };
  makeSector(file, { ...header, statement: { ...statement, ...commitments } }, () => {});
  const sector = openSector(file);
  const own = sector.header.statement;
  return {
    ...{ hasher, actor: actorId(hasher, publicKey), publicKey, sector, wasm },
    facts: {
      ...{ epoch: 1, parameters },
      sectorsOf: () => [own],
      sectorOf: (_, number) => (number === 0 ? own : undefined),
      needsHost: () => true,
    },
    sign(message) {
      const seed = crypto.getRandomValues(new Uint8Array(FALCON_SEED_BYTES));
      return falconSignExpanded(message, key, seed);
    },
  };
};

export const benchEvent = async (
  report: Report,
  { short }: { readonly short: boolean },
): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "tetrad-bench-"));
  const ms = short ? 100 : 1_000;
  const table: Table = new Map();
  try {
    const bench = await openBench(folder);
    for (const count of COUNTS) measureCount(report, bench, count, ms, table);
    const { us, n } = microsOf(ms, capabilityStep(bench));
    report.row("stake", "look-up of a capability, in memory", us, "us/event", n);
    printTable(table);
    bench.sector.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
