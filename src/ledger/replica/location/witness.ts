/**
 * A witness: measures, for a peer that asks, how long the answer to challenges of the peer's own sector takes, and
 * signs a bound on it. One measurement at a time, so that one does not lengthen another; and none is longer than one
 * that counts may be, so that who is slow holds up nobody for long.
 *
 * The clock is read before a challenge is sent that was drawn the moment before, and again when the answer is
 * here and before anything of it is looked at. Whatever delays either side only adds: a bound is never too low.
 */
import { equalBytes, fromHex, toHex } from "../../../crypto/bytes.ts";
import { Writer } from "../../../crypto/codec.ts";
import { fail } from "../../../errors.ts";
import { LIMITS } from "../../../limits.ts";
import {
  boundUs,
  countedRounds,
  receiptMessage,
  roundsHash,
} from "../../../proofs/location/receipt.ts";
import { witnessChallenges } from "../../../proofs/space/challenges.ts";
import { verifyOpenings } from "../../../proofs/space/openings.ts";
import type { SectorStatement } from "../../../proofs/space/statement.ts";
import { spaceHashesOf } from "../../../proofs/space/tree.ts";
import type { LocationMessage } from "../../location-messages.ts";
import type { PeerId } from "../../ports.ts";
import { epochSector } from "../../projections/space/index.ts";
import type { Hash } from "../../types.ts";
import { indexOf } from "../../validator-set.ts";
import type { LocationParts } from "./parts.ts";

type Asked = {
  readonly peer: PeerId;
  readonly epoch: number;
  readonly statement: SectorStatement;
  /** Which of the peer's tries in the epoch it is. */
  readonly count: number;
};

type Measurement = Asked & {
  /** All that were drawn, and the times of those that were answered. */
  readonly challenges: Hash[];
  readonly answeredUs: number[];
  sent: { readonly challenge: Hash; readonly atUs: number } | undefined;
  cancel: () => void;
};

const CHALLENGE_WORDS = 8;

export class Witness {
  readonly #parts: LocationParts;
  readonly #waiting: Asked[] = [];
  readonly #tries = new Map<PeerId, { readonly epoch: number; readonly count: number }>();
  #current: Measurement | undefined;

  constructor(parts: LocationParts) {
    this.#parts = parts;
  }

  /** Codes: location.rate, location.sector. Of another epoch, or by a stranger: nothing happens. */
  onRequest(peer: PeerId, request: LocationMessage & { type: "location-request" }): void {
    const running = this.#parts.running();
    const prover = fromHex(peer);
    const { epoch, sector } = request;
    if (running === undefined || running.epoch.number !== epoch) return;
    if (indexOf(running.set, prover) === undefined || !this.#parts.isSecured(peer)) return;
    if (this.#current?.peer === peer || this.#waiting.some((one) => one.peer === peer)) return;
    const before = this.#tries.get(peer);
    const count = before?.epoch === epoch ? before.count : 0;
    if (count >= LIMITS.locationTriesMax) {
      return this.#parts.fault(peer, fail("location.rate", `asked ${count} times in an epoch`));
    }
    this.#tries.set(peer, { epoch, count: count + 1 });
    const { context, space } = this.#parts;
    const statement = epochSector(context.read, space, prover, sector, epoch);
    if (statement === undefined) {
      return this.#parts.fault(peer, fail("location.sector", `sector ${sector} of ${peer}`));
    }
    // Behind those who have had as many: who asks again and again is passed by those who ask first.
    const behind = this.#waiting.findIndex((one) => one.count > count);
    const asked = { peer, epoch, statement, count };
    this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, asked);
    this.#begin();
  }

  peerDown(peer: PeerId): void {
    const at = this.#waiting.findIndex((one) => one.peer === peer);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (this.#current?.peer === peer) this.#end();
  }

  #begin(): void {
    if (this.#current !== undefined) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    const cancel = (): void => undefined;
    this.#current = { ...next, challenges: [], answeredUs: [], sent: undefined, cancel };
    this.#round(this.#current);
  }

  #end(): void {
    this.#current?.cancel();
    this.#current = undefined;
    this.#begin();
  }

  #draw(): Hash {
    const { random } = this.#parts.context.ports;
    const writer = new Writer(4 * CHALLENGE_WORDS);
    for (let i = 0; i < CHALLENGE_WORDS; i++) writer.u32(random.u32());
    return writer.finish();
  }

  /** What is answered later is beyond the farthest zone, and a millisecond is what a timer may be early. */
  get #roundMs(): number {
    const widestUs = this.#parts.parameters.zones.at(-1)?.rttMaxUs ?? 0;
    return Math.min(LIMITS.locationRoundMs, Math.ceil(widestUs / 1_000) + 1);
  }

  #round(current: Measurement): void {
    const { context, parameters } = this.#parts;
    const { peer, epoch, statement, challenges, answeredUs } = current;
    const left = parameters.rounds - challenges.length;
    if (answeredUs.length + left < countedRounds(parameters.rounds)) return this.#end();
    if (left === 0) return this.#finish(current);
    const challenge = this.#draw();
    challenges.push(challenge);
    current.cancel = context.ports.timers.set(this.#roundMs, () => {
      current.sent = undefined;
      if (this.#current === current) this.#round(current);
    });
    const atUs = this.#parts.nowUs();
    current.sent = { challenge, atUs };
    const { sectorNo: sector } = statement;
    const isSent = this.#parts.send(peer, { type: "location-challenge", epoch, sector, challenge });
    if (!isSent && this.#current === current) this.#end();
  }

  /** `atUs`: when its frame was here. Codes: location.unasked, location.answer. */
  onAnswer(
    peer: PeerId,
    { challenge, openings }: LocationMessage & { type: "location-answer" },
    atUs: number,
  ): void {
    const current = this.#current;
    const sent = current?.sent;
    if (current?.peer !== peer || sent === undefined || !equalBytes(sent.challenge, challenge)) {
      return this.#parts.fault(peer, fail("location.unasked", "nobody waits for this answer"));
    }
    current.sent = undefined;
    current.cancel();
    const { context, parameters, self } = this.#parts;
    const { hasher } = context;
    const { statement, epoch } = current;
    const question = { witness: self, epoch, challenge };
    const asked = witnessChallenges(hasher, parameters.labels, statement, question);
    const hashes = spaceHashesOf(hasher);
    const checked = verifyOpenings(hashes, statement.lgNodes, [statement], asked, openings);
    if (!checked.ok) {
      this.#parts.fault(peer, fail("location.answer", checked.detail));
      return this.#end();
    }
    current.answeredUs.push(Math.max(1, Math.ceil(atUs - sent.atUs)));
    this.#round(current);
  }

  #finish({ peer, epoch, statement, challenges, answeredUs }: Measurement): void {
    const { context, parameters, self } = this.#parts;
    const bound = boundUs(parameters.rounds, answeredUs);
    // What is signed now would be signed with the key of the epoch that has begun.
    const rttUs = this.#parts.running()?.epoch.number === epoch ? bound : undefined;
    if (rttUs !== undefined && rttUs <= LIMITS.locationRttUs[1]) {
      const rounds = roundsHash(context.hasher, challenges);
      const { sectorNo: sector, validatorId: prover } = statement;
      const claim = { epoch, prover, witness: self, sector, rttUs, rounds };
      this.#parts.sign(receiptMessage(context.hasher, claim), (signature) => {
        context.ports.metrics.count("tetrad_location_receipts_total", 1, { way: "given" });
        this.#parts.send(peer, {
          type: "location-receipt",
          epoch,
          sector,
          rttUs,
          rounds,
          signature,
        });
      });
      const fields = { peer: toHex(prover).slice(0, 16), epoch, rttUs };
      context.log("debug", "measured how far a validator is", fields);
    }
    this.#end();
  }
}
