/**
 * Chains to prove things about, made without a replica: several epochs with sets of their own, a log, a
 * state, and headers that any quorum signs. Everything can be forged, because all keys are here.
 */
import { type KeyPair, KeyRing, type SignatureScheme } from "../../../sim/signer.ts";
import { concatBytes, equalBytes, ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { utf8, Writer } from "../../../src/crypto/codec.ts";
import { createHasher, type Hasher } from "../../../src/crypto/hash.ts";
import { merklePath } from "../../../src/crypto/merkle.ts";
import { BATCH_CORE_BYTES, buildBatch, sealBatch } from "../../../src/ledger/batch.ts";
import { encodeHeader, PROTOCOL_VERSION } from "../../../src/ledger/block.ts";
import { encodeEvent } from "../../../src/ledger/event.ts";
import { encodeLeaf } from "../../../src/ledger/leaf.ts";
import { createLogAppender, inclusionPath, leafHash } from "../../../src/ledger/log-tree.ts";
import type { StoreOp } from "../../../src/ledger/ports.ts";
import { stake as stakeProjection } from "../../../src/ledger/projections/stake/projection.ts";
import { STAKE } from "../../../src/ledger/projections/stake/rows.ts";
import { VALIDATORS } from "../../../src/ledger/projections/validators.ts";
import { encodeRow } from "../../../src/ledger/row.ts";
import { provePath, updateStateTree } from "../../../src/ledger/state-tree.ts";
import { encodeCertificate, statementBytes } from "../../../src/ledger/statement.ts";
import type { Batch, Hash, Header, LogEntry, ValidatorSet } from "../../../src/ledger/types.ts";
import { createValidatorSet } from "../../../src/ledger/validator-set.ts";
import type { Bundle, EventProof, ProofLink } from "../../../src/ledger/verify/bundle.ts";
import { rootOfProjections } from "../../../src/ledger/verify/claims.ts";
import { rangeBefore } from "../../../src/ledger/verify/compact-range.ts";
import { encodeSet } from "../../../src/ledger/verify/links.ts";
import type { Trust } from "../../../src/ledger/verify/trust.ts";
import { type Verification, verifyBundle } from "../../../src/ledger/verify/verify-bundle.ts";

export const START_MS = 1_900_000_000_000;

class Rows {
  readonly rows = new Map<string, Uint8Array>();
  readonly read = (key: Uint8Array): Uint8Array | undefined => this.rows.get(key.join());
  write(ops: readonly StoreOp[]): void {
    for (const op of ops) {
      if (op.type === "put") this.rows.set(op.key.join(), op.value);
      else this.rows.delete(op.key.join());
    }
  }
}

export type WorldOptions = {
  readonly chainId?: string;
  readonly epochs?: number;
  readonly events?: number;
  readonly weights?: readonly bigint[];
  readonly seed?: number;
  /** Signatures; if not given, those of the simulator, which nobody else can check. */
  readonly ring?: SignatureScheme;
  /** Of every projection. */
  readonly schemaVersion?: number;
  /** The rows of `records`, instead of the nine that have no form. */
  readonly records?: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
  /** Rows of a projection `stake` besides; there is none without. Called before the state is made. */
  readonly stake?: (
    sets: readonly ValidatorSet[],
  ) => readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
  /** The same of a projection `validators`. */
  readonly validators?: WorldOptions["stake"];
};

/** A chain with `epochs` epochs; the header that proofs are about is of the last. */
export class World {
  readonly chainId: string;
  readonly hasher: Hasher;
  readonly ring: SignatureScheme;
  readonly genesisHash: Hash;
  readonly sets: readonly ValidatorSet[];
  readonly entries: LogEntry[] = [];
  readonly leaves: Uint8Array[] = [];
  readonly batches: Batch[] = [];
  readonly author: KeyPair;
  readonly header: Header;
  readonly links: readonly ProofLink[];
  readonly #keys = new Map<string, KeyPair>();
  readonly #tiles = new Rows();
  readonly #state = new Rows();
  /** By projection and key. */
  readonly #stored = new Map<string, Uint8Array>();
  readonly #roots: Hash[] = [];
  readonly #names = ["actors", "records"];
  readonly #weights: readonly bigint[];
  readonly #schemaVersion: number;

  constructor(options: WorldOptions = {}) {
    this.chainId = options.chainId ?? "proofs";
    this.hasher = createHasher(this.chainId);
    this.ring = options.ring ?? new KeyRing(options.seed ?? 5);
    this.#schemaVersion = options.schemaVersion ?? 1;
    this.#weights = options.weights ?? [1n, 1n, 1n, 1n];
    this.author = this.ring.createKey("author");
    this.genesisHash = this.hasher.ht("genesis", utf8("test"));
    const epochs = options.epochs ?? 1;
    this.sets = Array.from({ length: epochs }, (_, epoch) => this.setOf(epoch, epoch));
    const log = this.#fillLog(options.events ?? 5);
    this.#fillState(options);
    const links: ProofLink[] = [];
    for (const [epoch, set] of this.sets.entries()) {
      const next = this.sets[epoch + 1];
      const change: Partial<Header> = {
        epoch,
        height: 20 * (epoch + 1),
        timeMs: START_MS + 1000 * epoch,
        executedHeight: 20 * (epoch + 1) - 1,
        nextSetHash: next?.hash ?? ZERO_HASH,
      };
      links.push(this.link(set, { ...this.#headerOf(log), ...change }));
    }
    this.links = links;
    const last = epochs - 1;
    this.header = {
      ...this.#headerOf(log),
      epoch: last,
      height: 20 * epochs,
      timeMs: START_MS + 1000 * last,
      executedHeight: 20 * epochs - 1,
    };
  }

  /** Validators of an epoch: `generation` decides which of the keys, so that sets differ. */
  setOf(epoch: number, generation: number): ValidatorSet {
    return createValidatorSet(
      this.hasher,
      epoch,
      this.#weights.map((weight, i) => {
        const { publicKey } = this.#keyNamed(`v${i}/${generation}`);
        return {
          id: this.hasher.ht("id", publicKey),
          name: "v",
          publicKey,
          weight,
          tlsPin: ZERO_HASH,
          address: "[::1]:1",
        };
      }),
    );
  }

  #fillLog(count: number): { readonly size: number; readonly root: Hash } {
    const appender = createLogAppender(this.#tiles.read, 0);
    for (let first = 0, seq = 1; first < count; first += 3, seq++) {
      const events = Array.from({ length: Math.min(3, count - first) }, (_, i) =>
        encodeEvent("record.put", 1, utf8(`event ${first + i}`)),
      );
      const unsigned = buildBatch(this.hasher, {
        actor: this.hasher.ht("id", this.author.publicKey),
        laneSeq: seq,
        prevBatchId: this.batches.at(-1)?.id ?? ZERO_HASH,
        refHeight: 0,
        refHash: this.genesisHash,
        events,
      });
      const batch = sealBatch(
        this.hasher,
        unsigned,
        this.ring.sign(this.author, unsigned.signingMessage),
      );
      this.batches.push(batch);
      for (const [position, event] of events.entries()) {
        const refused = position === 2;
        const entry: LogEntry = {
          index: first + position,
          height: seq,
          batchId: batch.id,
          position,
          outcome: refused ? { kind: "refused", code: "event.conflict" } : { kind: "accepted" },
          effectsHash: this.hasher.ht("effects"),
          event,
        };
        this.entries.push(entry);
        this.leaves.push(encodeLeaf(entry));
      }
    }
    const { ops, size, root } = appender.append(concatBytes(...this.leaves.map(leafHash)));
    this.#tiles.write(ops);
    return { size, root };
  }

  #fillState({ records, stake, validators }: WorldOptions): void {
    if (stake !== undefined) this.#names.push(STAKE);
    if (validators !== undefined) this.#names.push(VALIDATORS);
    for (const name of this.#names) {
      const nine = Array.from({ length: 9 }, (_, i) => ({
        key: utf8(`${name}-${i}`),
        value: utf8(`value ${i}`),
      }));
      const own = { [STAKE]: stake?.(this.sets), [VALIDATORS]: validators?.(this.sets), records };
      const rows = own[name as keyof typeof own] ?? nine;
      const changes = rows.map(({ key, value }, i) => ({ key, value: encodeRow(i, value) }));
      for (const { key, value } of changes) this.#stored.set(`${name} ${key.join()}`, value);
      const prefix = utf8(`n/${name}/`);
      const update = updateStateTree(this.hasher, prefix, this.#state.read, changes);
      this.#state.write(update.ops);
      this.#roots.push(update.root);
    }
  }

  get projections(): { name: string; schemaVersion: number; root: Hash }[] {
    return this.#names.map((name, i) => ({
      name,
      schemaVersion: name === STAKE ? stakeProjection.schemaVersion : this.#schemaVersion,
      root: this.#roots[i] ?? ZERO_HASH,
    }));
  }

  #headerOf(log: { readonly size: number; readonly root: Hash }): Header {
    return {
      protocolVersion: PROTOCOL_VERSION,
      chainHash: this.hasher.chainHash,
      epoch: 0,
      view: 3,
      height: 20,
      parentView: 2,
      parentHash: this.hasher.ht("test/parent"),
      timeMs: START_MS,
      batchesRoot: ZERO_HASH,
      batchCount: 0,
      executedHeight: 19,
      logSize: log.size,
      logRoot: log.root,
      stateRoot: rootOfProjections(this.hasher, this.projections),
      proofsHash: this.hasher.ht("proofs"),
      nextSetHash: ZERO_HASH,
      proposer: 1,
    };
  }

  /** A header with the certificate of these signers (default: the least that make a quorum). */
  link(
    set: ValidatorSet,
    header: Header,
    signers?: readonly number[],
    kind = "finalize",
  ): ProofLink {
    const bytes = encodeHeader(header);
    const statement = {
      epoch: set.epoch,
      view: header.view,
      kind: kind as "finalize",
      hash: this.hasher.ht("header", bytes),
    };
    const who = signers ?? quorumSigners(set);
    const message = statementBytes(this.hasher, statement);
    const signatures = who.map((signer) => {
      const publicKey = set.validators[signer]?.publicKey ?? new Uint8Array(0);
      return this.ring.sign(this.#keyOf(publicKey), message);
    });
    const certificate = { statement, signers: who, signatures };
    return {
      set: encodeSet(set),
      header: bytes,
      certificate: encodeCertificate(certificate, set.validators.length),
    };
  }

  #keyNamed(name: string): KeyPair {
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = this.ring.createKey(name);
      this.#keys.set(name, key);
    }
    return key;
  }

  #keyOf(publicKey: Uint8Array): KeyPair {
    for (const key of this.#keys.values()) {
      if (equalBytes(key.publicKey, publicKey)) return key;
    }
    throw new RangeError("nobody has this key");
  }

  get trust(): Trust {
    return {
      origin: "genesis",
      chainId: this.chainId,
      genesisHash: this.genesisHash,
      epoch: 0,
      setHash: this.sets[0]?.hash ?? ZERO_HASH,
      names: new Map(),
    };
  }

  eventProof(index: number): EventProof {
    const entry = this.entries[index];
    const batch = this.batches.find((one) => equalBytes(one.id, entry?.batchId ?? ZERO_HASH));
    const leaves = (batch?.events ?? []).map((one) => this.hasher.ht("event/leaf", one.bytes));
    const node = (left: Hash, right: Hash): Hash => this.hasher.ht("event/node", left, right);
    return {
      leaf: this.leaves[index] ?? new Uint8Array(0),
      path: inclusionPath(this.#tiles.read, index, this.entries.length),
      batchPath: merklePath(leaves, entry?.position ?? 0, node),
    };
  }

  bundle(claim: Bundle["claim"], links: readonly ProofLink[] = this.links): Bundle {
    return { chainId: this.chainId, genesisHash: this.genesisHash, links, claim };
  }

  events(...indexes: number[]): Bundle {
    const used = new Set(indexes.map((index) => this.entries[index]?.batchId.join()));
    return this.bundle({
      kind: "events",
      events: indexes.map((index) => this.eventProof(index)),
      batches: this.batches
        .filter((batch) => used.has(batch.id.join()))
        .map((batch) => ({
          core: batch.bytes.slice(0, BATCH_CORE_BYTES),
          signature: batch.signature,
          publicKey: this.author.publicKey,
        })),
    });
  }

  /** The events from..to (exclusive), without a gap. */
  range(from: number, to: number): Bundle {
    const size = this.entries.length;
    const before = rangeBefore(from, size, inclusionPath(this.#tiles.read, from, size));
    return this.bundle({
      kind: "range",
      leaves: this.leaves.slice(from, to),
      before: before?.subtrees ?? [],
      path: inclusionPath(this.#tiles.read, to - 1, size),
    });
  }

  rows(...keys: string[]): Bundle {
    return this.rowsOf("records", keys.map(utf8));
  }

  /** The rows, or their absence, under these keys in this order. */
  rowsOf(projection: string, keys: readonly Uint8Array[]): Bundle {
    const prefix = utf8(`n/${projection}/`);
    return this.bundle({
      kind: "rows",
      projection,
      projections: this.projections,
      rows: keys.map((key) => ({
        key,
        row: this.#stored.get(`${projection} ${key.join()}`),
        proof: provePath(this.hasher, prefix, this.#state.read, key),
      })),
    });
  }

  verify(bundle: Bundle, trust: Trust = this.trust): Verification {
    return verifyBundle(bundle, trust, (signature, message, publicKey) =>
      this.ring.verify({ signature, message, publicKey }),
    );
  }

  /** "ok", or the code of the refusal. */
  verdict(bundle: Bundle, trust: Trust = this.trust): string {
    const { result } = this.verify(bundle, trust);
    return result.ok ? "ok" : result.code;
  }
}

/** The least signers, from the first on, whose weight is a quorum. */
export const quorumSigners = (set: ValidatorSet): number[] => {
  const signers: number[] = [];
  let weight = 0n;
  for (const [i, validator] of set.validators.entries()) {
    if (weight >= set.quorum) break;
    signers.push(i);
    weight += validator.weight;
  }
  return signers;
};

/** The bytes of a set in any order and with any content: for forging. */
export const rawSet = (
  epoch: number,
  validators: readonly {
    readonly id: Hash;
    readonly publicKey: Uint8Array;
    readonly weight: bigint;
  }[],
): Uint8Array => {
  const writer = new Writer(4096).u64(epoch).u16(validators.length);
  for (const { id, publicKey, weight } of validators) {
    writer.hash(id).bytes(publicKey).u64big(weight);
  }
  return writer.finish();
};
