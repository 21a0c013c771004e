/**
 * Network location at a replica of a chain that asks for it: stands between the replica and its transport, takes
 * the messages of measurements out of the control class, and lets everything else through. Nothing of it is
 * replicated but the certificate that comes of it (projections/zones.ts).
 */
import { equalBytes } from "../../../crypto/bytes.ts";
import { fail, TetradError } from "../../../errors.ts";
import {
  decodeLocationMessage,
  encodeLocationMessage,
  isLocationFrame,
  LOCATION_CLASS,
  type LocationMessage,
} from "../../location-messages.ts";
import type { PeerId, Transport, TransportHandler } from "../../ports.ts";
import type { ValidatorSet } from "../../types.ts";
import { indexOf } from "../../validator-set.ts";
import type { Participant } from "../participant.ts";
import { chargeFault } from "../peer-faults.ts";
import { Collector } from "./collector.ts";
import type { LocationParts, Running } from "./parts.ts";
import { Witness } from "./witness.ts";

/** A clock that tells whole milliseconds may have counted one less than there was. */
const COARSE_US = 1_000;

export class LocationDesk {
  readonly #transport: Transport;
  #participant: Participant | undefined;
  #witness: Witness | undefined;
  #collector: Collector | undefined;
  #set: ValidatorSet | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The transport for the replica. */
  get transport(): Transport {
    const under = this.#transport;
    return {
      start: (handler) => under.start(this.#handler(handler)),
      send: (peer, trafficClass, bytes) => under.send(peer, trafficClass, bytes),
      disconnect: (peer, reason) => under.disconnect(peer, reason),
      peers: () => under.peers(),
      know: (members) => under.know?.(members),
      close: (done) => under.close(done),
    };
  }

  /** Before the participant starts. Does nothing on a chain that asks for no location. */
  begin(participant: Participant): void {
    const { context } = participant;
    const { location, space } = context.options.genesis.proofs;
    if (location === undefined || space === null) return;
    this.#participant = participant;
    const parts = this.#parts(participant, location, space);
    this.#witness = new Witness(parts);
    if (context.options.provesLocation === false) return;
    const collector = new Collector(parts);
    this.#collector = collector;
    participant.executedListeners.add(() => collector.onExecuted());
  }

  #parts(
    participant: Participant,
    parameters: LocationParts["parameters"],
    space: LocationParts["space"],
  ): LocationParts {
    const { context, selfId } = participant;
    return {
      ...{ context, parameters, space, self: selfId },
      running: () => this.#running(participant),
      syncing: () => participant.syncing,
      peers: () => participant.peers,
      isSecured: (peer) => this.#transport.isSecured?.(peer) !== false,
      nowUs: () => this.#nowUs(participant),
      send: (peer, message) => this.#send(peer, message),
      sign: (message, done) => this.#sign(participant, message, done),
      write: (make) => participant.evidence?.lane.write(make),
      fault: (peer, failure) => chargeFault(context, peer, failure),
    };
  }

  #nowUs({ context }: Participant): number {
    const { clock } = context.ports;
    return clock.monotonicUs?.() ?? clock.monotonicMs() * 1_000;
  }

  /** When a frame was here: of a coarse clock the latest moment that its reading may stand for. */
  #hereUs(participant: Participant): number {
    const isFine = participant.context.ports.clock.monotonicUs !== undefined;
    return this.#nowUs(participant) + (isFine ? 0 : COARSE_US);
  }

  #running({ committer, store }: Participant): Running | undefined {
    const height = committer?.executed.height ?? 0;
    const epoch = height === 0 ? undefined : store.point(height)?.epoch;
    if (epoch === undefined) return undefined;
    if (this.#set?.epoch !== epoch.number) this.#set = store.validatorSet(epoch.number);
    return this.#set && { epoch, height, set: this.#set };
  }

  #send(peer: PeerId, message: LocationMessage): boolean {
    if (this.#participant?.stopped !== false) return false;
    return this.#transport.send(peer, LOCATION_CLASS, encodeLocationMessage(message));
  }

  #sign(
    participant: Participant,
    message: Uint8Array,
    done: (signature: Uint8Array) => void,
  ): void {
    const { signer, epochKeys } = participant.context.ports;
    const set = this.#running(participant)?.set;
    const key = set?.validators[indexOf(set, participant.selfId) ?? -1]?.publicKey;
    if (key === undefined) return;
    if (equalBytes(key, signer.publicKey)) return signer.sign(message, done);
    const isHeld = epochKeys?.held().some(({ publicKey }) => equalBytes(publicKey, key));
    if (isHeld === true) epochKeys?.sign(key, message, done);
  }

  #handler(handler: TransportHandler): TransportHandler {
    return {
      peerUp: (peer) => handler.peerUp(peer),
      peerDown: (peer, reason) => {
        this.#witness?.peerDown(peer);
        handler.peerDown(peer, reason);
      },
      frame: (peer, trafficClass, bytes) => {
        const participant = this.#participant;
        const isOurs = trafficClass === LOCATION_CLASS && isLocationFrame(bytes);
        if (participant === undefined || !isOurs) return handler.frame(peer, trafficClass, bytes);
        const atUs = this.#hereUs(participant);
        if (!participant.stopped) this.#frame(participant, peer, bytes, atUs);
      },
    };
  }

  #frame(participant: Participant, peer: PeerId, bytes: Uint8Array, atUs: number): void {
    const { context } = participant;
    const decoded = decodeLocationMessage(bytes);
    if (!decoded.ok) return chargeFault(context, peer, decoded);
    try {
      this.#message(peer, decoded.value, atUs);
    } catch (error) {
      // As of every port: a disk that cannot be read stops the node with its code.
      if (!(error instanceof TetradError) || !error.code.startsWith("store.")) throw error;
      context.fatal(fail(error.code, error.message, error.data));
    }
  }

  #message(peer: PeerId, message: LocationMessage, atUs: number): void {
    switch (message.type) {
      case "location-request":
        return this.#witness?.onRequest(peer, message);
      case "location-answer":
        return this.#witness?.onAnswer(peer, message, atUs);
      case "location-challenge":
        return this.#collector?.onChallenge(peer, message);
      case "location-receipt":
        return this.#collector?.onReceipt(peer, message);
    }
  }
}
