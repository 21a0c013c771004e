/** A chain of many epochs in a store, and the answers that a node gives of it: by the code that a node has. */
import { TetradError } from "../../src/errors.ts";
import { decodeHeader } from "../../src/ledger/block.ts";
import { blockKey } from "../../src/ledger/keys.ts";
import type { Store, StoreOp } from "../../src/ledger/ports.ts";
import {
  BlockStore,
  certificateOp,
  finalizationOp,
  validatorSetOp,
} from "../../src/ledger/replica/block-store.ts";
import { type CertifiedHeader, ProofChain } from "../../src/ledger/replica/proof-chain.ts";
import { decodeCertificate } from "../../src/ledger/statement.ts";
import { createMemoryStore } from "../../src/ledger/store/memory.ts";
import {
  type Bundle,
  type BundleJson,
  bundleJson,
  type Claim,
  type ProofLink,
} from "../../src/ledger/verify/bundle.ts";
import { LIMITS } from "../../src/limits.ts";
import type { World } from "../ledger/verify/support.ts";

export const linksBytes = (links: readonly ProofLink[]): number =>
  links.reduce((sum, one) => sum + one.set.length + one.header.length + one.certificate.length, 0);

const opsOf = (world: World): StoreOp[] =>
  world.links.flatMap((link, epoch) => {
    const set = world.sets[epoch];
    const header = decodeHeader(world.hasher, link.header);
    const certificate = decodeCertificate(link.certificate);
    if (set === undefined || !header.ok || !certificate.ok) throw new Error("a link is none");
    const { height, view } = header.value;
    return [
      validatorSetOp(set),
      certificateOp(certificate.value, set.validators.length),
      finalizationOp(height, epoch, view),
      { type: "put", key: blockKey(world.hasher.ht("header", link.header)), value: link.header },
    ];
  });

export class LongChain {
  readonly #world: World;
  readonly #chain: ProofChain;
  readonly #target: CertifiedHeader;
  /** Steps that were made, by the epoch that was trusted. */
  readonly #steps = new Map<number, BundleJson>();
  /** Boundaries that were read from the store. */
  reads = 0;
  /** What was asked for, and from which epoch. */
  readonly asked: [path: string, trustedEpoch: number][] = [];

  constructor(world: World) {
    this.#world = world;
    const store = createMemoryStore();
    store.write(opsOf(world), { sync: true }, () => undefined);
    const rows: Pick<Store, "range"> = {
      range: (range, done) => {
        this.reads += 1;
        store.range(range, done);
      },
    };
    this.#chain = new ProofChain(new BlockStore((key) => store.get(key), world.hasher), rows);
    const target = this.#chain.certified(world.header.height);
    if (target === undefined) throw new Error("no target");
    this.#target = target;
  }

  /** The links of one bundle. Rejects with the node's refusal. */
  links(trustedEpoch: number): Promise<readonly ProofLink[]> {
    return new Promise((resolve, reject) => {
      this.#chain.links(this.#target, trustedEpoch, (links) => {
        if (links.ok) resolve(links.value);
        else reject(TetradError.from(links));
      });
    });
  }

  /** The answer to a request: a step for /v1/validators, and the claim for every other path. */
  async answer(path: string, trustedEpoch: number, claim: Claim): Promise<BundleJson> {
    this.asked.push([path, trustedEpoch]);
    if (path === "/v1/validators") {
      const known = this.#steps.get(trustedEpoch) ?? bundleJson(await this.#step(trustedEpoch));
      this.#steps.set(trustedEpoch, known);
      return known;
    }
    return bundleJson(this.#world.bundle(claim, await this.links(trustedEpoch)));
  }

  async #step(trustedEpoch: number): Promise<Bundle> {
    const links = await new Promise<readonly ProofLink[]>((resolve, reject) => {
      this.#chain.linksWithin(this.#target, trustedEpoch, LIMITS.setStepBytesMax, (found) => {
        if (found.ok) resolve(found.value);
        else reject(TetradError.from(found));
      });
    });
    const isWhole = trustedEpoch + links.length === this.#world.sets.length;
    const { claim } = isWhole
      ? this.#world.rows("records-1")
      : { claim: { kind: "no-event", index: this.#world.entries.length } as const };
    return this.#world.bundle(claim, links);
  }
}
