/** A real chain of the replica lab as a data folder: blocks, refusals, epochs, certificates of all kinds. */
import { fromHex, isZero, toHex } from "../../../src/crypto/bytes.ts";
import type { AuditRules } from "../../../src/ledger/audit/chain.ts";
import type { Store, StoreOp } from "../../../src/ledger/ports.ts";
import { createMemoryStore } from "../../../src/ledger/store/memory.ts";
import type { Batch, ValidatorSet } from "../../../src/ledger/types.ts";
import {
  createLeaderSchedule,
  createValidatorSet,
  leaderOf,
} from "../../../src/ledger/validator-set.ts";
import { Auditor } from "../../../src/node/audit/auditor.ts";
import { type Findings, FolderAudit } from "../../../src/node/audit/folder.ts";
import { auditRules } from "../../../src/node/audit/rules.ts";
import type { NodeVerifier } from "../../../src/node/signing/types.ts";
import { type Chain, createChain, Lab, putEvent } from "../../ledger/replica/support.ts";

export type AuditedChain = {
  readonly chain: Chain;
  readonly rules: AuditRules;
  readonly verifier: NodeVerifier;
  /** Rows of the store, by key in hex. */
  readonly rows: ReadonlyMap<string, Uint8Array>;
  readonly lab: Lab;
};

/** Signatures are those of the lab's key ring. */
export const ringVerifier = (chain: Chain): NodeVerifier => ({
  implementation: "noble",
  verify: (jobs, _priority, done) => {
    const valid = jobs.map((job) => chain.ring.verify(job));
    queueMicrotask(() => done(valid));
  },
  pending: () => 0,
  cpuMs: () => 0,
  close: async () => {},
});

/** Heights with none, one and many batches, events that are refused, and two boundaries of epochs. */
export const makeChain = (heights = 24): AuditedChain => {
  const chain = createChain({ epochMs: 8_000 });
  const lab = new Lab({ chain });
  for (let height = 1; height <= heights; height++) {
    lab.time.advance(1_000);
    const batches = [];
    if (height % 3 !== 0) {
      const keys = Array.from(
        { length: 1 + (height % 4) },
        (_, i) => `key-${(height * 7 + i) % 40}`,
      );
      batches.push(
        lab.nextBatch(
          chain.alice,
          keys.map((key) => putEvent(key, 8 + height)),
        ),
      );
    }
    // The reader may write nothing: its events are refused, and stay in the log.
    if (height % 5 === 0) batches.push(lab.nextBatch(chain.reader, [putEvent("refused")]));
    finalize(lab, batches);
  }
  const verify: Parameters<typeof auditRules>[1] = (signature, message, publicKey) =>
    chain.ring.verify({ message, signature, publicKey });
  const parsed = { genesis: chain.genesis, hasher: chain.hasher, hash: chain.hash };
  const rules = auditRules(parsed, verify);
  const { data } = lab.disks();
  return { chain, rules, verifier: ringVerifier(chain), rows: data, lab };
};

/** As a correct leader of the running epoch would have it: the lab itself knows only the first one. */
const finalize = (lab: Lab, batches: readonly Batch[]): void => {
  const { chain } = lab;
  const { epoch, finalTimeMs } = lab.status;
  const setOf = (of: number): ValidatorSet =>
    createValidatorSet(chain.hasher, of, chain.set.validators);
  const schedule = createLeaderSchedule(chain.hasher, chain.hash, setOf(epoch));
  while (leaderOf(schedule, lab.status.view) === lab.self) {
    lab.tellVotes("nullify", lab.status.view);
  }
  const before = lab.finals.at(-1);
  const first = before === undefined || before.block.header.epoch !== epoch;
  const start = lab.finals.findLast(({ block }) => !isZero(block.header.nextSetHash));
  const startMs = start?.block.header.timeMs ?? chain.genesis.timeMs;
  const timeMs = Math.max(finalTimeMs + 1, lab.time.wallMs);
  const due = timeMs - startMs >= chain.genesis.parameters.epochMs;
  const proposer = leaderOf(schedule, lab.status.view);
  const block = lab.block(batches, {
    timeMs,
    proposer,
    ...(first ? { parentView: 0 } : {}),
    ...(due ? { nextSetHash: setOf(epoch + 1).hash } : {}),
  });
  const { view } = block.header;
  lab.tell(proposer, lab.proposal(block));
  if (batches.length > 0) {
    lab.tell(proposer, { type: "batches", batches: batches.map(({ bytes }) => bytes) });
  }
  lab.tellVotes(
    "notarize",
    view,
    block.hash,
    lab.others.filter((other) => other !== proposer),
  );
  const certificate = lab.certificate("finalize", view, block.hash);
  lab.tellVotes("finalize", view, block.hash);
  lab.finals.push({ block, batches, certificate });
};

export const writeAll = (store: Store, ops: readonly StoreOp[]): Promise<void> =>
  new Promise((resolve, reject) => {
    store.write(ops, { sync: true }, (failure) =>
      failure === undefined ? resolve() : reject(new Error(failure.detail)),
    );
  });

export const storeOf = async (rows: ReadonlyMap<string, Uint8Array>): Promise<Store> => {
  const store = createMemoryStore();
  const ops = [...rows].map(([key, value]): StoreOp => ({ type: "put", key: fromHex(key), value }));
  await writeAll(store, ops);
  return store;
};

/** Audits rows as a folder, without files. */
export const auditRows = async (
  audited: AuditedChain,
  rows: ReadonlyMap<string, Uint8Array>,
): Promise<{ readonly findings: Findings; readonly auditor: Auditor }> => {
  const { rules, verifier } = audited;
  const scratch = createMemoryStore();
  // Execution remembers its last state: each audit has its own.
  rules.executor.dropCaches();
  const store = await storeOf(rows);
  const folder = await FolderAudit.open({ rules, scratch, name: "test" }, { store });
  const auditor = await Auditor.open({
    rules,
    scratch,
    verifier,
    signaturesFrom: 1,
    inspect: (step) => folder.inspect(step),
  });
  await folder.run(auditor, new AbortController().signal);
  return { findings: folder.findings, auditor };
};

/** The area of a key in hex: its first letter. */
export const areaOf = (key: string): string =>
  String.fromCharCode(Number.parseInt(key.slice(0, 2), 16));

export const metaHex = (name: string): string => toHex(Buffer.from(`m/${name}`));
