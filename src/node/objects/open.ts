/** The objects of a node, from its configuration and ports. */
import { toHex } from "../../crypto/bytes.ts";
import type { ObservationPort } from "../../detect/index.ts";
import type { ParsedGenesis } from "../../ledger/genesis.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Clock, Logger, Metrics, Signer, Timers, Verifier } from "../../ledger/ports.ts";
import type { Validator } from "../../ledger/types.ts";
import type { BulkPort } from "../../transport/bulk/port.ts";
import type { QuicTransport } from "../../transport/quic-transport.ts";
import type { NodeConfig } from "../config.ts";
import type { NodePaths } from "../folder.ts";
import { ObjectExchange } from "./exchange.ts";

const MIB = 1024 * 1024;

export type OpenObjectsOptions = {
  readonly config: Pick<NodeConfig, "objectCacheMib">;
  readonly paths: Pick<NodePaths, "objects">;
  readonly chain: Pick<ParsedGenesis, "genesis" | "hasher">;
  readonly self: Pick<Validator, "id">;
  readonly handle: Pick<LedgerHandle, "row">;
  readonly bulk: BulkPort;
  readonly observations: ObservationPort;
  readonly ports: {
    readonly transport: Pick<QuicTransport, "peerFigures">;
    readonly signer: Signer;
    readonly verifier: Verifier;
    readonly clock: Clock;
    readonly timers: Timers;
    readonly logger: Logger;
    readonly metrics: Metrics;
  };
};

/** Throws store.io, store.full. */
export const openObjects = async (options: OpenObjectsOptions): Promise<ObjectExchange> => {
  const { config, paths, chain, handle, bulk, ports, observations } = options;
  const { clock, timers, logger, metrics, signer, verifier, transport } = ports;
  const self = toHex(options.self.id);
  const { hasher, genesis } = chain;
  return ObjectExchange.open({
    ...{ folder: paths.objects, budgetBytes: config.objectCacheMib * MIB },
    ...{ chainId: genesis.chainId, hasher, self, signer, verifier, bulk, handle },
    rttMs: (peer) => transport.peerFigures().find(({ id }) => id === peer)?.session?.rttMs,
    ...{ clock, timers, logger, metrics, observations },
  });
};
