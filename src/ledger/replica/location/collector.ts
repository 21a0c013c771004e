/**
 * Who shows where it is: asks every validator that it has a session with to measure it, answers their challenges
 * from one of its sectors, collects the receipts and writes a certificate of the nearest zone that they reach.
 * Once an epoch; what a restart forgets is measured again.
 */
import { equalBytes, fromHex } from "../../../crypto/bytes.ts";
import { type Failure, fail } from "../../../errors.ts";
import { LIMITS } from "../../../limits.ts";
import { receiptMessage } from "../../../proofs/location/receipt.ts";
import { witnessChallenges } from "../../../proofs/space/challenges.ts";
import type { SectorStatement } from "../../../proofs/space/statement.ts";
import type { LocationMessage } from "../../location-messages.ts";
import type { PeerId } from "../../ports.ts";
import { epochSectors } from "../../projections/space/index.ts";
import { type ShownReceipt, zoneCertified } from "../../projections/zone-events.ts";
import {
  certificateKey,
  certificateOf,
  isOpen,
  ZONES,
  type ZoneCertificate,
} from "../../projections/zones.ts";
import { readRow } from "../../row.ts";
import type { EncodedEvent, ValidatorSet } from "../../types.ts";
import { indexOf } from "../../validator-set.ts";
import { type Chosen, chooseReceipts } from "./choose.ts";
import type { LocationParts, Running } from "./parts.ts";

type Question = { count: number; atMs: number; answers: number; isDone: boolean };

type Collecting = {
  readonly epoch: number;
  readonly set: ValidatorSet;
  readonly sector: SectorStatement;
  readonly sinceMs: number;
  readonly asked: Map<PeerId, Question>;
  readonly receipts: Map<PeerId, ShownReceipt>;
  chosen: Chosen | undefined;
  /** The event that was written last: which part, when, and how often. */
  wrote: { readonly from: number; readonly height: number; readonly count: number } | undefined;
};

/** Openings of the epoch, which have a last moment, go first. */
const START_HEIGHTS = 2;
/** A witness that has not answered is asked again after this. */
const ASK_AGAIN_MS = 15_000;
/** As for sectors: an event that has changed nothing is written again after so many heights, this often. */
const PATIENCE_HEIGHTS = 20;
const WRITES_MAX = 4;

export class Collector {
  readonly #parts: LocationParts;
  #current: Collecting | undefined;
  #cannotOpen = false;

  constructor(parts: LocationParts) {
    this.#parts = parts;
  }

  onExecuted(): void {
    const running = this.#parts.running();
    if (running === undefined || this.#parts.syncing()) return;
    const { epoch, height, set } = running;
    if (indexOf(set, this.#parts.self) === undefined) return;
    if (this.#current?.epoch !== epoch.number) {
      if (height < epoch.firstHeight + START_HEIGHTS) return;
      this.#current = this.#start(running);
    }
    if (this.#current === undefined) return;
    this.#ask(this.#current);
    this.#show(this.#current, running);
  }

  #start({ epoch: { number: epoch }, set }: Running): Collecting | undefined {
    const { context, space, self } = this.#parts;
    const [sector] = epochSectors(context.read, space, self, epoch);
    if (sector === undefined) return undefined;
    const sinceMs = context.ports.clock.monotonicMs();
    const empty = { asked: new Map(), receipts: new Map(), chosen: undefined, wrote: undefined };
    return { epoch, set, sector, sinceMs, ...empty };
  }

  /** Members of the set that there is a session with. */
  #witnesses({ set }: Collecting): readonly PeerId[] {
    return this.#parts.peers().filter((peer) => indexOf(set, fromHex(peer)) !== undefined);
  }

  #ask(current: Collecting): void {
    if (current.chosen !== undefined) return;
    const nowMs = this.#parts.context.ports.clock.monotonicMs();
    const { epoch, sector } = current;
    for (const peer of this.#witnesses(current)) {
      const before = current.asked.get(peer);
      const count = before?.count ?? 0;
      if (before?.isDone === true || count >= LIMITS.locationTriesMax) continue;
      if (before !== undefined && nowMs - before.atMs < ASK_AGAIN_MS) continue;
      const request = { type: "location-request", epoch, sector: sector.sectorNo } as const;
      if (!this.#parts.isSecured(peer) || !this.#parts.send(peer, request)) continue;
      current.asked.set(peer, { count: count + 1, atMs: nowMs, answers: 0, isDone: false });
    }
  }

  /** A peer that was asked in this epoch, about the sector that it was asked about. */
  #asked(peer: PeerId, of: { readonly epoch: number; readonly sector: number }) {
    const current = this.#current;
    const question = current?.asked.get(peer);
    const isSame = current?.epoch === of.epoch && current.sector.sectorNo === of.sector;
    if (current === undefined || question === undefined || !isSame || question.isDone) {
      this.#unasked(peer);
      return undefined;
    }
    return { current, question };
  }

  #unasked(peer: PeerId): void {
    const detail = "this node has not asked to be measured";
    this.#parts.fault(peer, fail("location.unasked", detail));
  }

  /** Opens the labels at once: what happens here is in the time that is measured. Code: location.unasked. */
  onChallenge(peer: PeerId, message: LocationMessage & { type: "location-challenge" }): void {
    const asked = this.#asked(peer, message);
    if (asked === undefined) return;
    const { current, question } = asked;
    const { context, parameters } = this.#parts;
    // An opening costs reads: no more of them than a measurement has.
    if (question.answers >= parameters.rounds) return this.#unasked(peer);
    question.answers += 1;
    const { epoch, challenge } = message;
    const { sector } = current;
    const challenges = witnessChallenges(context.hasher, parameters.labels, sector, {
      ...{ witness: fromHex(peer), epoch, challenge },
    });
    const openings = context.ports.sectors?.open({ sectors: [sector], challenges });
    if (openings !== undefined) {
      this.#parts.send(peer, { type: "location-answer", challenge, openings });
    } else if (!this.#cannotOpen) {
      this.#cannotOpen = true;
      const fields = { code: "space.damaged", sector: sector.sectorNo };
      context.log("error", "no witness can measure this node: its sector cannot be opened", fields);
    }
  }

  /** Codes: location.unasked, location.receipt-invalid. */
  onReceipt(peer: PeerId, message: LocationMessage & { type: "location-receipt" }): void {
    const asked = this.#asked(peer, message);
    if (asked === undefined) return;
    const { current, question } = asked;
    question.isDone = true;
    const { context, self } = this.#parts;
    const { epoch, sector, rttUs, rounds, signature } = message;
    const witness = fromHex(peer);
    const publicKey = current.set.validators[indexOf(current.set, witness) ?? -1]?.publicKey;
    if (publicKey === undefined) return;
    const claim = { epoch, prover: self, witness, sector, rttUs, rounds };
    const job = { message: receiptMessage(context.hasher, claim), signature, publicKey };
    context.ports.verifier.verify([job], "batch", ([valid]) => {
      if (context.stopped() || this.#current !== current) return;
      if (valid !== true) {
        const failure: Failure = fail("location.receipt-invalid", `the receipt of ${peer}`);
        return this.#parts.fault(peer, failure);
      }
      context.ports.metrics.count("tetrad_location_receipts_total", 1, { way: "taken" });
      current.receipts.set(peer, { witness, rttUs, rounds, signature });
    });
  }

  #isComplete(current: Collecting): boolean {
    const { context } = this.#parts;
    const { epochMs } = context.options.genesis.parameters;
    const waitedMs = context.ports.clock.monotonicMs() - current.sinceMs;
    if (waitedMs >= Math.min(LIMITS.locationWaitMs, epochMs / 4)) return true;
    return this.#witnesses(current).every((peer) => current.receipts.has(peer));
  }

  #row(epoch: number): ZoneCertificate | undefined {
    const { context, self } = this.#parts;
    const row = readRow(context.read, ZONES, certificateKey(self, epoch));
    return row === undefined ? undefined : certificateOf(row.value);
  }

  #show(current: Collecting, { height }: Running): void {
    if (current.chosen === undefined) {
      if (!this.#isComplete(current)) return;
      const { receipts, set } = current;
      current.chosen = chooseReceipts(this.#parts.parameters, set, receipts.values());
      if (current.chosen === undefined) return;
      const { context } = this.#parts;
      const fields = { epoch: current.epoch, zone: current.chosen.zone.name };
      context.log("info", "witnesses have measured this node", fields);
    }
    const part = this.#part(current);
    if (part === undefined) return;
    const last = current.wrote?.from === part.from ? current.wrote : undefined;
    if (last !== undefined) {
      if (last.count >= WRITES_MAX || height < last.height + PATIENCE_HEIGHTS) return;
    }
    current.wrote = { from: part.from, height, count: (last?.count ?? 0) + 1 };
    // Whether it is still to be said is looked at when its turn comes.
    this.#parts.write(() => {
      const now = this.#parts.running();
      const isCurrent = this.#current === current && now?.epoch.number === current.epoch;
      const due = isCurrent ? this.#part(current) : undefined;
      return due?.from === part.from ? due.event : undefined;
    });
  }

  /** What the log lacks of the certificate; undefined where it has all, or has something else. */
  #part(current: Collecting): { readonly from: number; readonly event: EncodedEvent } | undefined {
    const { chosen, epoch } = current;
    if (chosen === undefined) return undefined;
    const row = this.#row(epoch);
    const sector = current.sector.sectorNo;
    const zone = chosen.zone.name;
    if (row !== undefined && !isOpen(row)) return undefined;
    if (row !== undefined && (row.zone !== zone || row.sector !== sector)) return undefined;
    const bounds = row?.bounds ?? [];
    const isOurs = bounds.every(({ witness }, i) => {
      const shown = chosen.receipts[i];
      return shown !== undefined && equalBytes(shown.witness, witness);
    });
    const from = bounds.length;
    const receipts = chosen.receipts.slice(from, from + LIMITS.locationReceiptsMax);
    if (!isOurs || receipts.length === 0) return undefined;
    return { from, event: zoneCertified.encode({ epoch, sector, zone, from, receipts }) };
  }
}
