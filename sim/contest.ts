/**
 * What clients write where a workload is contested: they register and retire machines, their own and each
 * other's, and settle requests for certificates a second time or in the place of the issuer. Some of it must be
 * accepted and most of it refused, by rules that the checkers know themselves (I14).
 */
import { hostAssetId, hostRegistered, hostRetired } from "../src/assets/index.ts";
import { certificateDenied } from "../src/ca/index.ts";
import type { EncodedEvent, Hash } from "../src/ledger/types.ts";
import { ISSUER } from "./certificates.ts";
import type { SimChain } from "./genesis.ts";
import type { Prng } from "./prng.ts";

const MACHINES = 3;

const FACTS = {
  cpu: { vendor: "", model: "", physicalCores: 0, logicalCores: 0, speedMhz: 0 },
  memoryBytes: 0,
  disks: [],
  nics: [],
  gpus: [],
  os: { platform: "", distribution: "", release: "", kernel: "", arch: "" },
  virtualization: "",
};

export type Contest = {
  /** What this client adds to its next batch: often nothing. */
  events(client: number): EncodedEvent[];
  /** The issuer is about to settle this request with this event. */
  issuing(request: number, event: EncodedEvent): void;
};

export const createContest = (random: Prng, { hasher, clientIds }: SimChain): Contest => {
  let newest: { readonly request: number; readonly event: EncodedEvent } | undefined;

  const idOf = (client: number): Hash => clientIds[client] ?? new Uint8Array(32);

  const machine = (client: number): EncodedEvent => {
    const owner = random.below(4) === 0 ? random.below(clientIds.length) : client;
    const fingerprint = new Uint8Array(32).fill(1 + owner * MACHINES + random.below(MACHINES));
    const assetId = hostAssetId(hasher, idOf(owner), fingerprint);
    return random.below(5) === 0
      ? hostRetired.encode({ assetId })
      : hostRegistered.encode({ assetId, fingerprint, hostname: `h${client}`, facts: FACTS });
  };

  return {
    events: (client) => {
      if (random.below(2) === 0) return [];
      const events = [machine(client)];
      if (newest === undefined || random.below(3) !== 0) return events;
      const { request, event } = newest;
      const denial = { issuer: ISSUER, request, code: "ca.request-shape" };
      events.push(random.below(2) === 0 ? event : certificateDenied.encode(denial));
      return events;
    },
    issuing: (request, event) => {
      newest = { request, event };
    },
  };
};
