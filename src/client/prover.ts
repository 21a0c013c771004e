/**
 * Proofs from nodes, checked one against the other. A proof alone shows that validators have signed the log
 * that it is about; the prover adds that this log contains the one of the newest header that it has verified
 * before (trust-state.ts). So a quorum that signs two histories is found out by whoever has seen both.
 *
 * **How a longer log is compared.** The inclusion path of a leaf holds the log before it (compact-range.ts).
 * A path that ends where the remembered log ends gives its root again. Where the path at hand is of another
 * place, the prover asks for the one of the last event of the remembered log, and goes on from its header.
 */
import { equalBytes, toHex } from "../crypto/bytes.ts";
import { sha256 } from "../crypto/hash.ts";
import { rfc6962Leaf } from "../crypto/merkle.ts";
import { TetradError } from "../errors.ts";
import type { Hash } from "../ledger/types.ts";
import { type Bundle, decodeBundle, type EventProof } from "../ledger/verify/bundle.ts";
import {
  appendLeaf,
  type CompactRange,
  rangeBefore,
  rangeRoot,
} from "../ledger/verify/compact-range.ts";
import type { Proven, ProvenHeader } from "../ledger/verify/proven.ts";
import type { Trust } from "../ledger/verify/trust.ts";
import { verifyBundle } from "../ledger/verify/verify-bundle.ts";
import { LIMITS } from "../limits.ts";
import { isObject, type JsonObject } from "./http.ts";
import { fromNearEnough, nearerTrust } from "./nearer-trust.ts";
import type { PoolClient } from "./pool.ts";
import type { TakenStep } from "./set-step.ts";
import { createQueue, type TextStore } from "./store.ts";
import {
  formatHead,
  type Head,
  headOf,
  inconsistent,
  parseHead,
  relate,
  relateHeads,
  trustOf,
} from "./trust-state.ts";
import { pause } from "./within.ts";

/** Verifies a FALCON-1024 signature; never throws. */
export type VerifySignature = (
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
) => boolean;

/** A verified proof, and who gave it. */
export type Shown = { readonly base: string; readonly proven: Proven; readonly bundle: Bundle };

export type ProverOptions = {
  readonly client: PoolClient;
  readonly trust: Trust;
  readonly store: TextStore;
  readonly verify: VerifySignature;
  /** How old a header may be, milliseconds; Infinity sets no bound. */
  readonly maxAgeMs: number;
};

/** What a caller knows of the log itself: its root at a size, where it has read up to there. */
export type OwnRoots = (size: number) => Hash | undefined;

/** Headers may be newer with every answer: how often the two that are compared may miss each other. */
const ROUNDS = 16;
const PAUSE_MS = 100;
/** Times in a row that a node may say that nothing can be proven yet. */
const PENDING_MAX = 3;

/** A bundle alone, or beside other fields of an answer. */
const bundleIn = (body: JsonObject): unknown => (isObject(body["proof"]) ? body["proof"] : body);

/** Remembers what has verified: nodes show the same certificate again and again. */
export const rememberVerified = (verify: VerifySignature): VerifySignature => {
  const known = new Set<string>();
  return (signature, message, publicKey) => {
    const parts = new Uint8Array(signature.length + message.length + publicKey.length);
    parts.set(signature);
    parts.set(message, signature.length);
    parts.set(publicKey, signature.length + message.length);
    // All but the message have a fixed length, so no two triples give the same bytes.
    const key = toHex(sha256(parts));
    if (known.has(key)) return true;
    if (!verify(signature, message, publicKey)) return false;
    const oldest =
      known.size >= LIMITS.clientVerifiedSignatures ? known.values().next().value : undefined;
    if (oldest !== undefined) known.delete(oldest);
    known.add(key);
    return true;
  };
};

/**
 * True: the proof is of this event. False: it is of the log having none there yet, as its header has it.
 * Throws proof.invalid for a proof of anything else, however valid: it says nothing about the event.
 */
export const hasEvent = ({ base, proven: { claim } }: Shown, index: number): boolean => {
  if (claim.kind === "events" && claim.events.some((event) => event.index === index)) return true;
  if (claim.kind === "no-event" && claim.index === index) return false;
  throw new TetradError("proof.invalid", `${base}: the proof is not of event ${index}`);
};

/** The leaves before the event, and the one after it, as its path holds them. */
export const rangesOf = (
  { proven, bundle }: Shown,
  index: number,
): { readonly before: CompactRange; readonly through: CompactRange } | undefined => {
  const { claim } = bundle;
  if (claim.kind !== "events" || proven.claim.kind !== "events") return undefined;
  const at = proven.claim.events.findIndex((event) => event.index === index);
  const proof: EventProof | undefined = claim.events[at];
  if (proof === undefined) return undefined;
  const before = rangeBefore(index, proven.header.logSize, proof.path);
  if (before === undefined) return undefined;
  return { before, through: appendLeaf(before, rfc6962Leaf(proof.leaf)) };
};

/** The root of the log at a size, where the path of the event shows it. */
const rootIn = (shown: Shown, size: number): Hash | undefined => {
  const { claim } = shown.proven;
  if (claim.kind !== "events") return undefined;
  for (const { index } of claim.events) {
    if (index !== size && index + 1 !== size) continue;
    const ranges = rangesOf(shown, index);
    if (ranges !== undefined) return rangeRoot(index === size ? ranges.before : ranges.through);
  }
  return undefined;
};

export class Prover {
  readonly #options: ProverOptions;
  readonly #verify: VerifySignature;
  readonly #save = createQueue();
  #head: Head | undefined;
  /** Where steps along the sets have led to, on a chain too long for one bundle. */
  #nearer: Trust | undefined;
  /** The state as it was last loaded or saved: another one is another program's. */
  #text: string | undefined;
  /** Answers in a row that nothing can be proven yet. */
  #pending = 0;

  private constructor(options: ProverOptions) {
    this.#options = options;
    this.#verify = rememberVerified(options.verify);
  }

  /** Throws trust.state for a kept state that cannot be read, folder.foreign for one of another chain. */
  static async open(options: ProverOptions): Promise<Prover> {
    const prover = new Prover(options);
    await prover.#reload();
    return prover;
  }

  /**
   * Takes over what another program with the same store has verified since, where that is newer; what is
   * compared with it from then on must contain it. Throws trust.inconsistent where the two contradict each
   * other, trust.state, folder.foreign.
   */
  async #reload(): Promise<void> {
    const text = await this.#options.store.load();
    if (text === undefined || text === this.#text) return;
    const kept = parseHead(text);
    const { genesisHash } = kept.checkpoint;
    if (!equalBytes(genesisHash, this.#options.trust.genesisHash)) {
      const other = toHex(genesisHash).slice(0, 12);
      const detail = `the kept trust state is of another chain (${other}…)`;
      throw new TetradError("folder.foreign", detail);
    }
    this.#text = text;
    const own = this.#head;
    const isNewer = own === undefined || kept.checkpoint.height > own.checkpoint.height;
    if (own !== undefined) relateHeads(isNewer ? own : kept, isNewer ? kept : own);
    if (isNewer) this.#head = kept;
  }

  /** The newest verified header, and the log as it has it. */
  get head(): Head | undefined {
    return this.#head;
  }

  /** A proof from the current node, verified on its own. */
  async #show(path: string, signal: AbortSignal | undefined): Promise<Shown> {
    return fromNearEnough(
      this.#trust(),
      (trust) => this.#showFrom(trust, path, signal),
      async (trust) => {
        const { client } = this.#options;
        const verify = this.#verify;
        // Each step is true whoever gave it, and is kept where the next one is not given.
        const onStep = (_step: Bundle, _from: Trust, taken: TakenStep): void => {
          this.#comeTo(taken.trust);
        };
        const options = { verify, onStep, ...(signal === undefined ? {} : { signal }) };
        await nearerTrust(client, trust, options);
        return this.#trust();
      },
    );
  }

  /** Requests that walk at the same time do not take each other back. */
  #comeTo(trust: Trust): void {
    if (this.#nearer === undefined || trust.epoch >= this.#nearer.epoch) this.#nearer = trust;
  }

  /** What the next proof is verified with: the remembered validators, or later ones that steps have led to. */
  #trust(): Trust {
    const trust = trustOf(this.#options.trust, this.#head);
    const nearer = this.#nearer;
    if (nearer === undefined || nearer.epoch <= trust.epoch) return trust;
    // A second history is found by comparing logs, which says more (trustOf).
    const { block: _, ...validators } = nearer;
    return validators;
  }

  async #showFrom(trust: Trust, path: string, signal: AbortSignal | undefined): Promise<Shown> {
    const { client, trust: given } = this.#options;
    // Of the newest header, not of the one that has proven the event for ever: that one is older than ours.
    const newest = path.startsWith("/v1/events/") ? "true" : undefined;
    const query = { proof: "true", newest, trustedEpoch: trust.epoch };
    const body = await client.get(path, query, signal).catch((error: unknown) => {
      throw isEpochUnknown(error) ? new TetradError("trust.behind", error.message) : error;
    });
    const { base } = client.node;
    const bundle = decodeBundle(bundleIn(body));
    if (!bundle.ok) throw new TetradError(bundle.code, `${base}: ${bundle.detail}`);
    const { result } = verifyBundle(bundle.value, trust, this.#verify);
    if (result.ok) {
      notBefore(base, given, result.value.header);
      notTooOld(base, result.value.header, this.#options.maxAgeMs);
      return { base, proven: result.value, bundle: bundle.value };
    }
    // Whoever trusts a later epoch than the proof reaches has seen more of the chain than the node.
    const hasSeen = this.#head !== undefined || this.#nearer !== undefined;
    const isOld = result.code === "proof.unanchored" && hasSeen;
    throw new TetradError(isOld ? "trust.behind" : result.code, `${base}: ${result.detail}`);
  }

  /** Takes a header that contains the remembered log for the newest; false when that has moved meanwhile. */
  async #remember({ proven }: Shown, seen: Head | undefined): Promise<boolean> {
    if (this.#head !== seen) return false;
    const head = headOf(proven.checkpoint, proven.header);
    this.#head = head;
    await this.#save(async () => {
      // Another program may have been faster: a kept state never goes back.
      await this.#reload();
      if (this.#head !== head) return;
      const text = formatHead(head);
      await this.#options.store.save(text);
      this.#text = text;
    });
    return true;
  }

  /**
   * The proof at a path, once it is of a log that contains the remembered one; undefined while no header
   * commits to what is asked for. `own` are roots that the caller has computed from what this very proof
   * shows. Throws trust.inconsistent and trust.behind, proof.too-long where no node leads near enough to what it
   * proves, and what verifyBundle refuses.
   */
  async show(
    path: string,
    signal?: AbortSignal,
    own: (shown: Shown) => OwnRoots = () => () => undefined,
  ): Promise<Shown | undefined> {
    const { client } = this.#options;
    let late: TetradError | undefined;
    let far = 0;
    for (let round = 0; round < ROUNDS; round++) {
      signal?.throwIfAborted();
      try {
        await this.#save(() => this.#reload());
        const shown = await this.#show(path, signal);
        this.#pending = 0;
        if (await this.#settle(shown, own(shown), signal)) return shown;
      } catch (error) {
        if (!(error instanceof TetradError)) throw error;
        if (error.code === "proof.pending") {
          this.#isPending(error);
          return undefined;
        }
        late = error;
        if (error.code === "proof.too-long") {
          // It leads on for ever, or nowhere: the next one goes on from where its steps have led to.
          far += 1;
          client.leave(error);
          if (far >= client.size) throw error;
          continue;
        }
        if (error.code !== "trust.behind") throw error;
        // Rows are proven of a state that may be a block behind the newest header: no reason to leave yet.
        if (round > 1) client.leave(error);
        await pause(PAUSE_MS, signal);
      }
    }
    throw late ?? new TetradError("trust.behind", "no two proofs were of the same header");
  }

  /** A node says so after it has waited for seconds: once is an ordinary wait, often is a node to leave. */
  #isPending(error: TetradError): void {
    this.#pending += 1;
    if (this.#pending < PENDING_MAX) return;
    this.#pending = 0;
    this.#options.client.leave(error);
  }

  /** True when the proof may be used; false: ask again, the remembered header has moved. */
  async #settle(shown: Shown, own: OwnRoots, signal: AbortSignal | undefined): Promise<boolean> {
    const head = this.#head;
    const { base, proven } = shown;
    if (head === undefined) return this.#remember(shown, head);
    const relation = relate(base, head, proven.header);
    if (relation === "same") return true;
    if (relation === "older") throw behind(base, proven.header.height, head);
    if (relation === "same-log" || head.logSize === 0) return this.#remember(shown, head);
    const root = own(head.logSize) ?? rootIn(shown, head.logSize);
    if (root !== undefined) {
      requireRoot(base, head, root);
      return this.#remember(shown, head);
    }
    return this.#bridge(shown, head, signal);
  }

  /** Compares by a proof of the last event of the remembered log, and takes its header for the newest. */
  async #bridge(shown: Shown, head: Head, signal: AbortSignal | undefined): Promise<boolean> {
    const last = head.logSize - 1;
    const bridge = await this.#show(`/v1/events/${last}`, signal);
    const relation = relate(bridge.base, head, bridge.proven.header);
    if (relation === "older" || relation === "same") {
      throw behind(bridge.base, bridge.proven.header.height, head);
    }
    const root = rootIn(bridge, head.logSize);
    if (root === undefined) {
      throw new TetradError("proof.invalid", `${bridge.base}: the proof is not of event ${last}`);
    }
    requireRoot(bridge.base, head, root);
    const isSame = equalBytes(bridge.proven.header.hash, shown.proven.header.hash);
    return (await this.#remember(bridge, head)) && isSame;
  }
}

/** A node that has not come to the epoch that the client trusts already. */
const isEpochUnknown = (error: unknown): error is TetradError =>
  error instanceof TetradError &&
  error.code === "http.bad-parameter" &&
  error.data["parameter"] === "trustedEpoch";

const behind = (base: string, height: number, { checkpoint }: Head): TetradError =>
  new TetradError(
    "trust.behind",
    `${base} shows height ${height}; height ${checkpoint.height} was verified before`,
  );

/** Throws trust.behind for a header that is older than the block which is trusted. */
const notBefore = (base: string, { block }: Trust, header: ProvenHeader): void => {
  if (block === undefined || header.height > block.height) return;
  if (header.height < block.height) {
    const detail = `${base} shows height ${header.height}; the trusted checkpoint is of ${block.height}`;
    throw new TetradError("trust.behind", detail);
  }
  // Where the remembered header is verified against, this is nobody else's check.
  if (!equalBytes(header.hash, block.hash)) {
    throw inconsistent(base, `the block at height ${header.height} is not the trusted one`);
  }
};

/** Throws trust.behind for a header from so long ago that what it proves need not hold any more. */
const notTooOld = (base: string, { height, timeMs }: ProvenHeader, maxAgeMs: number): void => {
  const ageMs = Date.now() - timeMs;
  if (ageMs <= maxAgeMs) return;
  const minutes = Math.floor(ageMs / 60_000);
  const detail =
    `${base} shows height ${height} of ${minutes} minutes ago as the newest: it is behind, the chain stands ` +
    "still, or this machine's clock is wrong (maxAgeMs, or --max-age of a command, says what is taken)";
  throw new TetradError("trust.behind", detail);
};

const requireRoot = (base: string, head: Head, root: Hash): void => {
  if (equalBytes(root, head.logRoot)) return;
  throw inconsistent(base, `its first ${head.logSize} events are others`);
};
