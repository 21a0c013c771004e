/** Validators that measure each other without a network: what one sends waits until the test brings it. */
import { toHex } from "../../../src/crypto/bytes.ts";
import type { Failure } from "../../../src/errors.ts";
import { readPoint } from "../../../src/ledger/chain-point.ts";
import type { LocationMessage } from "../../../src/ledger/location-messages.ts";
import type { PeerId } from "../../../src/ledger/ports.ts";
import type { Context } from "../../../src/ledger/replica/context.ts";
import type { LocationParts } from "../../../src/ledger/replica/location/parts.ts";
import type { EncodedEvent, Hash } from "../../../src/ledger/types.ts";
import type { OpeningTask } from "../../../src/proofs/space/challenges.ts";
import { makeOpenings } from "../../../src/proofs/space/openings.ts";
import type { MemorySector } from "../../proofs/space/support.ts";
import { hasher, idOf, keyOf, testSign, testVerify } from "../execution-support.ts";
import { genesisSector, PARAMETERS as SPACE } from "../projections/space-chain.ts";
import { LOCATION, type PlaceChain, setOf, WEIGHTS } from "../projections/zones-support.ts";
import { Loop, ManualTime } from "./ports.ts";

export const peerOf = (name: string): PeerId => toHex(idOf(name));

const SECTORS = new Map(["v0", "v1", "v2", "v3"].map((name) => [name, genesisSector(idOf(name))]));

export const sectorOf = (name: string): MemorySector => {
  const sector = SECTORS.get(name);
  if (sector === undefined) throw new Error(`no sector of ${name}`);
  return sector;
};

export type Sent = { readonly to: PeerId; readonly message: LocationMessage };

/** One validator's side: what it sent, whom it blames, what it wrote. */
export class Post {
  readonly chain: PlaceChain;
  readonly time = new ManualTime(new Loop(), 0);
  readonly sent: Sent[] = [];
  readonly faults: string[] = [];
  readonly written: (() => EncodedEvent | undefined)[] = [];
  readonly counted: string[] = [];
  /** Whose sector it opens, whatever it says; undefined: none can be read. */
  opens: MemorySector | undefined;
  connected: readonly string[];
  secured = true;
  syncing = false;
  /** Microseconds past the time of the timers. */
  us = 0;
  readonly #name: string;
  #drawn = 0;

  constructor(name: string, chain: PlaceChain) {
    this.#name = name;
    this.chain = chain;
    this.opens = sectorOf(name);
    this.connected = ["v0", "v1", "v2", "v3"].filter((other) => other !== name);
  }

  take(): Sent {
    const first = this.sent.shift();
    if (first === undefined) throw new Error(`${this.#name} has sent nothing`);
    return first;
  }

  get parts(): LocationParts {
    const { chain } = this;
    const self = idOf(this.#name);
    return {
      ...{ context: this.#context(), self, parameters: LOCATION, space: SPACE },
      running: () => {
        const epoch = readPoint(chain.store.read, chain.height)?.epoch;
        if (chain.height === 0 || epoch === undefined) return undefined;
        return { epoch, height: chain.height, set: setOf(WEIGHTS, epoch.number) };
      },
      syncing: () => this.syncing,
      peers: () => this.connected.map(peerOf),
      isSecured: () => this.secured,
      nowUs: () => this.time.nowMs * 1_000 + this.us,
      send: (to, message) => {
        if (!this.connected.some((name) => peerOf(name) === to)) return false;
        this.sent.push({ to, message });
        return true;
      },
      sign: (message, done) => done(testSign(message, keyOf(this.#name))),
      write: (make) => void this.written.push(make),
      fault: (_peer: PeerId, { code }: Failure) => void this.faults.push(code),
    };
  }

  #context(): Context {
    const { chain } = this;
    const parts = {
      hasher,
      read: chain.store.read,
      stopped: () => false,
      log: () => undefined,
      options: { genesis: { parameters: { epochMs: 60_000 } } },
      ports: {
        clock: this.time.clock,
        timers: this.time,
        // No two are alike, and who reads this knows them all.
        random: { u32: () => ++this.#drawn },
        metrics: { count: (name: string) => void this.counted.push(name) },
        sectors: { open: (task: OpeningTask) => this.#open(task) },
        verifier: {
          verify: (
            jobs: readonly { message: Hash; signature: Uint8Array; publicKey: Uint8Array }[],
            _priority: string,
            done: (valid: readonly boolean[]) => void,
          ) =>
            done(
              jobs.map(({ signature, message, publicKey }) =>
                testVerify(signature, message, publicKey),
              ),
            ),
        },
      },
    };
    return parts as unknown as Context;
  }

  #open({ challenges }: OpeningTask): Uint8Array | undefined {
    const sector = this.opens;
    return sector && makeOpenings(sector.hashes, [sector.reader.stored], challenges);
  }
}
