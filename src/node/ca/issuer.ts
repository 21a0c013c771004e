/**
 * The issuer: signs what waits for it in the log, and writes the answers to the log with a key of its own.
 *
 * It keeps nothing: requests wait as rows of the projection, and a request is settled once, whoever answers
 * how often. So a crash between a request and its certificate loses nothing: the next start finds the row
 * and goes on. What was signed and did not get into the log has been shown to nobody.
 *
 * One batch is on its way at a time. After a refusal it pauses, longer each time: what is refused once will
 * mostly be refused again, and each try is an event.
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
  validityAt,
} from "../../ca/index.ts";
import { toHex } from "../../crypto/bytes.ts";
import { createHasher, type Hasher, sha256 } from "../../crypto/hash.ts";
import { fail, type Result, TetradError } from "../../errors.ts";
import { actorId, buildBatch, sealBatch } from "../../ledger/batch.ts";
import type { BatchReceipt, LedgerHandle, ProjectionRow } from "../../ledger/handle.ts";
import type { Logger, Metrics, Random, Signer, Timers } from "../../ledger/ports.ts";
import type { EncodedEvent, Hash } from "../../ledger/types.ts";
import { LIMITS } from "../../limits.ts";
import type { IssuerSigner } from "./issuer-key.ts";
import { provesPossession } from "./possession.ts";

export type IssuerOptions = {
  readonly handle: LedgerHandle;
  readonly chainId: string;
  /** Name of the issuer in the log. */
  readonly name: string;
  readonly signer: IssuerSigner;
  /** The FALCON-1024 key that signs the issuer's batches, and its public half. */
  readonly actor: Signer & { readonly publicKey: Uint8Array };
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

export type Issuer = {
  readonly id: Hash;
  /** Takes nothing up any more; what is on its way stays in the log's hands. */
  stop(): void;
};

type Root = { readonly bytes: Uint8Array; readonly createdMs: number };

const ROOT_YEARS_S = 5 * 365 * 86_400;
const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 60_000;
/** After this long without an outcome the state is looked at anew. */
const PATIENCE_MS = 30_000;

/** 128 random bits below a 1, so that the integer is positive and has 17 bytes (RFC 5280, 4.1.2.2). */
const drawSerial = (random: Random): Uint8Array => {
  const serial = new Uint8Array(17);
  const view = new DataView(serial.buffer);
  serial[0] = 1;
  for (let at = 1; at < 17; at += 4) view.setUint32(at, random.u32());
  return serial;
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
    const events = await this.#events(nowMs);
    if (events.length === 0 || this.#stopped) return;
    const receipt = await this.#write(events);
    if (this.#stopped) return;
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

  async #events(nowMs: number): Promise<readonly EncodedEvent[]> {
    const { handle } = this.#options;
    const row = handle.row(CERTIFICATES, issuerKey(this.id));
    if (row === undefined) return [await this.#register(nowMs)];
    const { certificate: bytes, createdMs } = decodeIssuer(row);
    const waiting = await this.#pending();
    const events: EncodedEvent[] = [];
    for (const one of waiting) events.push(await this.#answer({ bytes, createdMs }, one, nowMs));
    return events;
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

  /** The issuer's own certificate, self-signed, which says that it is for development. */
  async #register(nowMs: number): Promise<EncodedEvent> {
    const { chainId, name, random, signer, logger } = this.#options;
    const notBeforeS = secondsOf(nowMs) - LIMITS.caBackdateS;
    const body = rootBody({
      serial: drawSerial(random),
      subject: developmentName(chainId),
      subjectKey: readSubjectKey(signer.spki),
      notBeforeS,
      notAfterS: notBeforeS + ROOT_YEARS_S,
    });
    const certificate = sealCertificate(body, await signer.sign(body));
    logger.log("info", "registering the issuer", { issuer: toHex(this.id) });
    return issuerCreated.encode({ name, certificate });
  }

  /** A certificate for a request that waits, or why there is none. */
  async #answer(root: Root, { key, value }: ProjectionRow, nowMs: number): Promise<EncodedEvent> {
    const request = requestOfKey(key);
    const signed = await this.#sign(root, value, nowMs);
    if (signed.ok) {
      return certificateIssued.encode({ issuer: this.id, request, certificate: signed.value });
    }
    const { code, detail } = signed;
    this.#options.logger.log("info", "a certificate request is denied", { request, code, detail });
    return certificateDenied.encode({ issuer: this.id, request, code });
  }

  async #sign(root: Root, row: Uint8Array, nowMs: number): Promise<Result<Uint8Array>> {
    const { random, signer } = this.#options;
    const terms = decodePending(row);
    const { lifetimeSeconds, requestedMs } = terms;
    const issuer = parseCertificate(root.bytes);
    if (!issuer.ok) return issuer;
    const checked = checkRequest(terms);
    if (!checked.ok) return checked;
    const { csr, profile } = checked.value;
    if (!provesPossession(csr)) return fail("ca.csr-signature", "not signed by its own key");
    const { subjectKey, names } = csr;
    const validity = validityAt(secondsOf(nowMs), lifetimeSeconds, issuer.value.notAfterS);
    const leaf = { issuer: issuer.value, subjectKey, names, profile, ...validity };
    const body = leafBody({ ...leaf, serial: drawSerial(random) });
    const certificate = sealCertificate(body, await signer.sign(body));
    // Every replica checks it like this: what they would refuse is not sent.
    const issuance = { issuer: issuer.value, terms, requestedMs, timeMs: nowMs };
    const own = checkIssued(certificate, issuance);
    return own.ok ? { ok: true, value: certificate } : own;
  }

  async #write(events: readonly EncodedEvent[]): Promise<Result<BatchReceipt>> {
    const { actor, handle, timers } = this.#options;
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
    const signature = await new Promise<Uint8Array>((resolve) => {
      actor.sign(unsigned.signingMessage, resolve);
    });
    if (this.#stopped) return fail("node.stopping", "the node is stopping");
    const batch = sealBatch(this.#hasher, unsigned, signature);
    return new Promise((resolve) => {
      const late = fail("http.timeout", `no outcome after ${PATIENCE_MS} ms`);
      const cancel = timers.set(PATIENCE_MS, () => {
        giveUp();
        resolve(late);
      });
      const giveUp = handle.submit(batch.bytes, "projected", (result) => {
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
