/**
 * The issuer: signs what waits for it in the log, and writes the answers to the log with a key of its own.
 *
 * It keeps nothing: requests wait as rows of the projection, and a request is settled once, whoever answers
 * how often. So a crash between a request and its certificate loses nothing: the next start finds the row
 * and goes on. A certificate is a function of its request and the issuer's key: serial number, dates and
 * signature too. Nobody can know whether a batch that had no answer is on its way to the log still, and so
 * the second answer must be the first one's bytes, not a second certificate.
 *
 * One batch is on its way at a time, and the same one is sent again until its place in the lane is decided.
 * After a refusal it pauses, longer each time: what is refused once will mostly be refused again, and each try
 * is an event.
 */
import {
  CERTIFICATES,
  certificateDenied,
  certificateIssued,
  checkIssued,
  checkRequest,
  decodeIssuer,
  decodePending,
  developmentName,
  issuerCreated,
  issuerKey,
  leafBody,
  parseCertificate,
  pendingPrefix,
  readSubjectKey,
  requestOfKey,
  rootBody,
  sealCertificate,
  secondsOf,
  validityOf,
} from "../../ca/index.ts";
import { concatBytes, equalBytes, toHex } from "../../crypto/bytes.ts";
import { Writer } from "../../crypto/codec.ts";
import { createHasher, type Hasher, sha256 } from "../../crypto/hash.ts";
import { fail, type Result, TetradError } from "../../errors.ts";
import { actorId, buildBatch, sealBatch, type UnsignedBatch } from "../../ledger/batch.ts";
import type { BatchReceipt, LedgerHandle, ProjectionRow } from "../../ledger/handle.ts";
import type { Logger, Metrics, Signer, Timers } from "../../ledger/ports.ts";
import type { EncodedEvent, Hash, ProofSlot } from "../../ledger/types.ts";
import { LIMITS } from "../../limits.ts";
import type { IssuerSigner } from "./issuer-signer.ts";
import { provesPossession } from "./possession.ts";

export type IssuerOptions = {
  readonly handle: LedgerHandle;
  readonly chainId: string;
  /** Name of the issuer in the log. */
  readonly name: string;
  readonly signer: IssuerSigner;
  /** The FALCON-1024 key that signs the issuer's batches, and its public half. */
  readonly actor: Signer & { readonly publicKey: Uint8Array };
  /** What the chain asks a batch to carry; absent where it asks for nothing. */
  proofsFor?(unsigned: UnsignedBatch): Promise<readonly ProofSlot[]>;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

export type Issuer = {
  readonly id: Hash;
  /** Takes nothing up any more; what is on its way stays in the log's hands. */
  stop(): void;
};

const ROOT_YEARS_S = 5 * 365 * 86_400;
const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 60_000;
/** After this long without an outcome the batch is sent again. */
const PATIENCE_MS = 30_000;
const DAY_S = 86_400;

/** Stands in the body that a serial number is made from. */
const NO_SERIAL = Uint8Array.of(1);

/** A batch and what is in it. */
type Answers = { readonly events: readonly EncodedEvent[]; readonly bytes: Uint8Array };

/**
 * Serial numbers: 128 bits below a 1, so that the integer is positive and has 17 bytes (RFC 5280, 4.1.2.2).
 * They follow from the request and all else that is in the certificate, by a secret of the issuer's: another
 * request has another, even for the same key and names, and who asks cannot foretell what will be signed.
 */
export const serialFor = async (
  signer: IssuerSigner,
  request: number,
  bodyWith: (serial: Uint8Array) => Uint8Array,
): Promise<Uint8Array> => {
  const index = new Writer(8).u64(request).finish();
  const bits = await signer.serialBits(concatBytes(index, bodyWith(NO_SERIAL)));
  return concatBytes(Uint8Array.of(1), bits);
};

class LogIssuer implements Issuer {
  readonly id: Hash;
  readonly #options: IssuerOptions;
  readonly #hasher: Hasher;
  readonly #actor: Hash;
  readonly #unsubscribe: () => void;
  #running = false;
  #again = false;
  #stopped = false;
  #pauseMs = 0;
  #paused = false;
  #answers: Answers | undefined;
  #foreign = false;

  constructor(options: IssuerOptions) {
    this.#options = options;
    this.#hasher = createHasher(options.chainId);
    this.#actor = actorId(this.#hasher, options.actor.publicKey);
    this.id = sha256(options.signer.spki);
    this.#unsubscribe = options.handle.onExecuted(() => this.#kick());
    this.#kick();
  }

  stop(): void {
    this.#stopped = true;
    this.#unsubscribe();
  }

  #kick(): void {
    if (this.#stopped || this.#paused) return;
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      while (this.#again && !this.#stopped && !this.#paused) {
        this.#again = false;
        await this.#turn();
      }
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      this.#options.logger.log("warn", "the issuer failed, and tries again", { cause });
      this.#pause();
    } finally {
      this.#running = false;
    }
  }

  #pause(): void {
    this.#pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, this.#pauseMs * 2));
    this.#paused = true;
    this.#options.timers.set(this.#pauseMs, () => {
      this.#paused = false;
      this.#kick();
    });
  }

  /** Ledger time that reads see, milliseconds; undefined before the first block. */
  #nowMs(): number | undefined {
    const { handle } = this.#options;
    const { executedHeight } = handle.status();
    return executedHeight === 0 ? undefined : handle.timeOf(executedHeight);
  }

  async #turn(): Promise<void> {
    const nowMs = this.#nowMs();
    if (nowMs === undefined) return;
    this.#answers ??= await this.#make(nowMs);
    if (this.#answers === undefined || this.#stopped) return;
    const { events, bytes } = this.#answers;
    const receipt = await this.#submit(bytes);
    if (this.#stopped) return;
    // Only a refusal of the batch itself decides that these bytes will not be in the log.
    if (receipt.ok || receipt.code.startsWith("batch.")) this.#answers = undefined;
    if (!receipt.ok) {
      const { code, detail } = receipt;
      this.#options.logger.log("info", "the issuer's batch is not in the log yet", {
        code,
        detail,
      });
      return this.#pause();
    }
    this.#account(events, receipt.value);
    this.#again = true;
  }

  async #make(nowMs: number): Promise<Answers | undefined> {
    const events = await this.#events(nowMs);
    if (events.length === 0 || this.#stopped) return undefined;
    const bytes = await this.#seal(events);
    return { events, bytes };
  }

  async #events(nowMs: number): Promise<readonly EncodedEvent[]> {
    const { handle } = this.#options;
    const row = handle.row(CERTIFICATES, issuerKey(this.id));
    if (row === undefined) return [await this.#register(nowMs)];
    const { actor, certificate } = decodeIssuer(row);
    // What another actor's issuer signed would be refused, and its signature would be in the log all the same.
    if (!equalBytes(actor, this.#actor)) return this.#complain(actor);
    const waiting = await this.#pending();
    const events: EncodedEvent[] = [];
    for (const one of waiting) events.push(await this.#answer(certificate, one));
    return events;
  }

  #complain(owner: Hash): readonly [] {
    if (!this.#foreign) {
      const cause = { issuer: toHex(this.id), owner: toHex(owner) };
      this.#options.logger.log("error", "the issuer is another actor's, and signs nothing", cause);
    }
    this.#foreign = true;
    return [];
  }

  #pending(): Promise<readonly ProjectionRow[]> {
    const options = { prefix: pendingPrefix(this.id), limit: LIMITS.caSignaturePositionsMax };
    return new Promise((resolve, reject) => {
      this.#options.handle.rows(CERTIFICATES, options, (rows) => {
        if (rows.ok) resolve(rows.value);
        else reject(TetradError.from(rows));
      });
    });
  }

  /**
   * The issuer's own certificate, self-signed, which says that it is for development. It begins with the day,
   * so that a second try on the same day is the same certificate.
   */
  async #register(nowMs: number): Promise<EncodedEvent> {
    const { chainId, name, signer, logger } = this.#options;
    const nowS = secondsOf(nowMs);
    const notBeforeS = nowS - (nowS % DAY_S) - LIMITS.caBackdateS;
    const bodyWith = (serial: Uint8Array): Uint8Array =>
      rootBody({
        serial,
        subject: developmentName(chainId),
        subjectKey: readSubjectKey(signer.spki),
        notBeforeS,
        notAfterS: notBeforeS + ROOT_YEARS_S,
      });
    const body = bodyWith(await serialFor(signer, 0, bodyWith));
    const certificate = sealCertificate(body, await signer.sign(body));
    logger.log("info", "registering the issuer", { issuer: toHex(this.id) });
    return issuerCreated.encode({ name, certificate });
  }

  /** A certificate for a request that waits, or why there is none. */
  async #answer(root: Uint8Array, { key, value }: ProjectionRow): Promise<EncodedEvent> {
    const request = requestOfKey(key);
    const signed = await this.#sign(root, request, value);
    if (signed.ok) {
      return certificateIssued.encode({ issuer: this.id, request, certificate: signed.value });
    }
    const { code, detail } = signed;
    this.#options.logger.log("info", "a certificate request is denied", { request, code, detail });
    return certificateDenied.encode({ issuer: this.id, request, code });
  }

  /** A function of its arguments and the key: nothing in it may depend on when it is called. */
  async #sign(root: Uint8Array, request: number, row: Uint8Array): Promise<Result<Uint8Array>> {
    const { signer } = this.#options;
    const terms = decodePending(row);
    const { lifetimeSeconds, requestedMs } = terms;
    const issuer = parseCertificate(root);
    if (!issuer.ok) return issuer;
    const checked = checkRequest(terms);
    if (!checked.ok) return checked;
    const { csr, profile } = checked.value;
    if (!provesPossession(csr)) return fail("ca.csr-signature", "not signed by its own key");
    const { subjectKey, names } = csr;
    const validity = validityOf(secondsOf(requestedMs), lifetimeSeconds, issuer.value.notAfterS);
    const leaf = { issuer: issuer.value, subjectKey, names, profile, ...validity };
    const bodyWith = (serial: Uint8Array): Uint8Array => leafBody({ ...leaf, serial });
    const body = bodyWith(await serialFor(signer, request, bodyWith));
    const certificate = sealCertificate(body, await signer.sign(body));
    // Every replica checks it like this: what they would refuse is not sent. Nor is a faulty signature, which
    // beside a good one of the same body would give the key away.
    const own = checkIssued(certificate, { issuer: issuer.value, terms, requestedMs });
    return own.ok ? { ok: true, value: certificate } : own;
  }

  async #seal(events: readonly EncodedEvent[]): Promise<Uint8Array> {
    const { actor, handle } = this.#options;
    const { refHeight, refHash } = handle.status();
    const lane = handle.lane(this.#actor);
    const unsigned = buildBatch(this.#hasher, {
      actor: this.#actor,
      laneSeq: lane.pendingSeq + 1,
      prevBatchId: lane.pendingId,
      refHeight,
      refHash,
      events,
    });
    const proofs = await this.#options.proofsFor?.(unsigned);
    const signature = await new Promise<Uint8Array>((resolve) => {
      actor.sign(unsigned.signingMessage, resolve);
    });
    return sealBatch(this.#hasher, unsigned, signature, proofs).bytes;
  }

  #submit(bytes: Uint8Array): Promise<Result<BatchReceipt>> {
    const { handle, timers } = this.#options;
    return new Promise((resolve) => {
      const late = fail("http.timeout", `no outcome after ${PATIENCE_MS} ms`);
      const cancel = timers.set(PATIENCE_MS, () => {
        giveUp();
        resolve(late);
      });
      const giveUp = handle.submit(bytes, "projected", (result) => {
        cancel();
        resolve(result);
      });
    });
  }

  #account(events: readonly EncodedEvent[], { outcomes = [] }: BatchReceipt): void {
    const { logger, metrics } = this.#options;
    const refused = outcomes.flatMap((one) => (one.kind === "refused" ? [one.code] : []));
    events.forEach(({ type }, at) => {
      if (outcomes[at]?.kind !== "accepted") return;
      if (type === certificateIssued.type) metrics.count("tetrad_certificates_issued_total");
      if (type === certificateDenied.type) metrics.count("tetrad_certificates_denied_total");
    });
    // A request that another batch of this issuer has settled is no fault.
    const faults = refused.filter((code) => code !== "ca.request-settled");
    if (faults.length === 0) {
      this.#pauseMs = 0;
      return;
    }
    logger.log("warn", "the log refuses what the issuer writes", { code: faults[0] });
    this.#pause();
  }
}

/** Starts an issuer on a running replica. It stops with `stop`, before the replica does. */
export const startIssuer = (options: IssuerOptions): Issuer => new LogIssuer(options);
