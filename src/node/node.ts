/**
 * Composition root of one node: from a configuration to ports, from ports to a replica, from its handle to
 * the API. Everything that is opened is closed in reverse order, also when a later step fails.
 */
import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { toHex } from "../crypto/bytes.ts";
import { createObservations } from "../detect/index.ts";
import { type Failure, fail, TetradError } from "../errors.ts";
import type { ParsedGenesis } from "../ledger/genesis.ts";
import type { LedgerHandle } from "../ledger/handle.ts";
import type { CheckpointSigner, Logger, Ports, Store, WorkProver } from "../ledger/ports.ts";
import type { VerifySignature } from "../ledger/projection.ts";
import { rebuildPending } from "../ledger/rebuild.ts";
import { createReplica } from "../ledger/replica/replica.ts";
import { type LevelStore, lockFolder, openLevelStore } from "../ledger/store/level.ts";
import type { Validator } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";
import type { WorkParameters } from "../proofs/work/index.ts";
import { createQuicTransport } from "../transport/mesh.ts";
import type { QuicTransport } from "../transport/quic-transport.ts";
import { formatAddress, type SocketAddress } from "./address.ts";
import { openAdminSocket } from "./admin.ts";
import { createApi } from "./api/server.ts";
import { readApiTls } from "./api/tls.ts";
import { backupOf } from "./backup/make.ts";
import { deriveIvrfSecret } from "./beacon/ivrf-secret.ts";
import { createRevealer, type NodeRevealer } from "./beacon/revealer.ts";
import { bindError } from "./bind-error.ts";
import { openBulk, withBulk } from "./bulk/open.ts";
import { openIssuer } from "./ca/open-issuer.ts";
import { type CertificateWatchOptions, watchCertificate } from "./certificate-watch.ts";
import type { NodeConfig } from "./config.ts";
import { deriveEpochSealingKey } from "./epoch-keys/key-file.ts";
import { type NodeEpochKeyring, openKeyring } from "./epoch-keys/keyring.ts";
import { beginVoteStore, bindVotes } from "./first-use.ts";
import { type NodePaths, nodePaths } from "./folder.ts";
import { formatsOf } from "./formats.ts";
import { openCheckpointKeeper, readKeptCheckpoint } from "./kept-checkpoint.ts";
import { deriveCheckpointKeys } from "./keys/checkpoint-keys.ts";
import { createMetrics, type MetricsRegistry } from "./metrics.ts";
import { createNodeMetrics } from "./node-metrics.ts";
import { openObjects } from "./objects/open.ts";
import { productOptions } from "./product.ts";
import { openProvers } from "./provers.ts";
import { watchQuarantine } from "./quarantine-watch.ts";
import { readGenesis } from "./read-genesis.ts";
import { realClock, realRandom, realTimers } from "./real-ports.ts";
import { rebuildStore } from "./rebuild.ts";
import { createCheckpointSigner } from "./signing/checkpoint-signer.ts";
import { createInlineVerifier } from "./signing/inline-verifier.ts";
import { selectVerifier } from "./signing/select-verifier.ts";
import { createWorkerSigner } from "./signing/signer.ts";
import type { NodeSigner, NodeVerifier } from "./signing/types.ts";
import { createVerifierPool } from "./signing/verifier-pool.ts";
import { openSectors } from "./space/open-keeper.ts";
import type { SectorFiles } from "./space/sector-files.ts";
import {
  checkCheckpointKeys,
  findSelf,
  readTlsIdentity,
  type TlsIdentity,
  unlockKey,
} from "./unlock.ts";
import { createNodeProver, proofsFor } from "./work/prover.ts";

export type NodeDependencies = {
  readonly logger: Logger;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
};

export type RunningNode = {
  readonly handle: LedgerHandle;
  readonly metrics: MetricsRegistry;
  /** As bound. */
  readonly api: SocketAddress;
  readonly listen: string;
  /** Resolves when the node has stopped itself, with why. Never rejects. */
  readonly halted: Promise<Failure>;
  /** Finishes writes, answers who waits, closes everything. May be called twice. */
  stop(): Promise<void>;
};

/** From this many cores on, verification has threads of its own; below, threads only add switching. */
const POOL_CORES_MIN = 8;
const POOL_WORKERS = 2;
/** Argon2id takes 0.6 ms for each MiB. */
const SLOW_ARGON_KIB = 1024;
/** It holds a few votes of 1.4 KB at a time: memory for more would be memory for nothing. */
const VOTE_STORE_BYTES = { writeBufferBytes: 1024 * 1024, cacheBytes: 1024 * 1024 };

export { readGenesis } from "./read-genesis.ts";

/** Starts a node. Throws TetradError with the code and what to do. */
export const startNode = async (
  config: NodeConfig,
  dependencies: NodeDependencies,
): Promise<RunningNode> => {
  const { logger, version } = dependencies;
  await using closing = new AsyncDisposableStack();
  const paths = nodePaths(config.folder);
  const chain = readGenesis(config.genesis);
  const lock = await lockFolder(config.folder);
  closing.defer(() => lock.release());

  const halt = Promise.withResolvers<Failure>();
  const own = await openSigner(config, chain, dependencies, halt.resolve);
  const { signer } = own;
  closing.defer(() => own.revealer?.close());
  closing.defer(() => own.epochKeys?.close());
  closing.defer(() => signer.close());
  const tls = await readTlsIdentity(paths, findSelf(config, chain, signer.publicKey));
  const self = { id: chain.hasher.ht("id", signer.publicKey) };
  const { verifier, verifySignature } = await openVerifier(logger, chain.genesis.proofs.work);
  closing.defer(() => verifier.close());
  const workProver = createNodeProver({ logger, timers: realTimers });
  closing.defer(() => workProver.close());
  const metrics = createMetrics();

  const signing = { ...own, verifier, verifySignature, workProver };
  const parts = { tls, ...signing, logger, metrics, version };
  const ports = await openPorts(config, paths, chain, self, parts);
  // Before the replica starts the sessions, so that none is complete unseen.
  const bulk = openBulk({ config, self: toHex(self.id), ...ports });
  closing.defer(() => bulk.close());
  const { genesis, hasher } = chain;
  const product = productOptions({
    ...{ name: config.name, genesis, hasher, verifySignature },
    provesLocation: config.location,
  });
  const handle = createReplica(product, ports);
  closing.defer(() => new Promise<void>((resolve) => handle.stop(resolve)));
  handle.onHalt((failure) => halt.resolve(failure));
  refuseHalted(handle);

  closing.defer(keepCheckpoints(paths, handle, ports.keptCheckpoint, logger));
  // From now on the node holds the states that rows can be proven from.
  handle.proofs();

  const issuer = await openIssuer({
    ...{ paths, env: dependencies.env, passphraseFile: config.passphraseFile, handle, logger },
    ...{ chainId: genesis.chainId, insecure: genesis.insecure, name: config.name, metrics },
    proofsFor: proofsFor({ hasher, work: genesis.proofs.work, handle, workProver }),
  });
  if (issuer !== undefined) closing.defer(() => issuer.close());

  const validator = findSelf(config, chain, signer.publicKey);
  closing.defer(openWatches(handle, ports.transport, { paths, tls, logger, self: validator }));

  const shared = { config, paths, chain, handle, ports };
  const provers = openProvers({ ...shared, self: self.id });
  closing.defer(() => provers.close());

  const observations = createObservations();
  const objects = await openObjects({ ...shared, self, bulk, observations });
  closing.defer(() => objects.close());

  const peerFigures = () => withBulk(ports.transport.peerFigures(), bulk);
  const figures = createNodeMetrics({
    ...{ metrics, handle, signer, verifier, paths, version, peerFigures },
    objects: () => objects.figures(),
  });
  closing.defer(() => figures.close());
  const bound = await listenApi(config, closing, {
    ...{ handle, formats: formatsOf(genesis), logger, metrics, version, objects },
    metricsPage: () => figures.page(),
    ...{ peerFigures, observed: observations.members },
    driverFigures: () => ports.transport.driver(),
    ...{ chainId: genesis.chainId, disposable: genesis.insecure },
  });
  const backup = (): AsyncIterable<Uint8Array> => backupOf(config, ports.store);
  const admin = await openAdminSocket({ path: paths.admin, logger, backup });
  closing.defer(() => admin?.close());
  // A driver takes half a second of a core to load: not while the node starts.
  closing.defer(realTimers.set(LIMITS.bulkTrialDelayMs, () => bulk.start()));
  return {
    handle,
    metrics,
    api: bound,
    listen: formatAddress(config.listen),
    halted: halt.promise,
    stop: stopOnce(closing.move()),
  };
};

/** What is looked at while the node runs: whom the log shuts out, and the node's certificate. */
const openWatches = (
  handle: LedgerHandle,
  transport: QuicTransport,
  folder: Pick<CertificateWatchOptions, "paths" | "tls" | "logger" | "self">,
): (() => void) => {
  const { logger } = folder;
  const [clock, timers] = [realClock, realTimers];
  const use: CertificateWatchOptions["use"] = (identity) => transport.useIdentity(identity);
  const ends = [
    watchQuarantine({ handle, logger, timers, shutOut: (ids) => transport.quarantine(ids) }),
    watchCertificate({ ...folder, clock, timers, use }),
  ];
  return () => {
    for (const end of ends) end();
  };
};

/** However often a node is stopped, it stops once. */
const stopOnce = (owned: AsyncDisposableStack): RunningNode["stop"] => {
  let stopping: Promise<void> | undefined;
  return () => {
    stopping ??= owned.disposeAsync();
    return stopping;
  };
};

type ApiOptions = Parameters<typeof createApi>[0];

/** Where the API listens. Throws TetradError where it cannot. */
const listenApi = async (
  config: NodeConfig,
  closing: AsyncDisposableStack,
  options: Omit<ApiOptions, "clock" | "timers" | "random" | "anyHost" | "tls">,
): Promise<SocketAddress> => {
  const tls = await readApiTls(config.apiTlsCertificate, config.apiTlsKey);
  const anyHost = config.apiInsecureBind || tls !== undefined;
  const real = { clock: realClock, timers: realTimers, random: realRandom };
  const api = createApi({ ...options, ...real, anyHost, tls });
  closing.defer(() => api.stop());
  return api.listen(config.api).catch((error: unknown) => {
    throw bindError("api", config.api, error);
  });
};

/** Keeps the newest cosigned checkpoint in the folder until what it returns is called. */
const keepCheckpoints = (
  { checkpoint: path }: NodePaths,
  handle: LedgerHandle,
  before: Ports["keptCheckpoint"],
  logger: Logger,
): (() => void) => {
  const newest = (): Ports["keptCheckpoint"] => handle.checkpoint();
  const keeper = openCheckpointKeeper({ path, newest, before, logger });
  return () => keeper.close();
};

/** What stops a replica while it is made comes before anybody can listen. */
const refuseHalted = (handle: LedgerHandle): void => {
  const { voting, problems } = handle.status();
  const [failed] = problems;
  if (voting === "halted" && failed !== undefined) throw TetradError.from(failed);
};

type Signing = {
  readonly signer: NodeSigner;
  readonly checkpointSigner: CheckpointSigner;
  /** On a chain with a beacon. */
  readonly revealer: NodeRevealer | undefined;
  /** On a chain with keys of epochs. */
  readonly epochKeys: NodeEpochKeyring | undefined;
};

const openSigner = async (
  config: NodeConfig,
  chain: ParsedGenesis,
  { env, logger }: NodeDependencies,
  onFailure: (failure: Failure) => void,
): Promise<Signing> => {
  const keys = await unlockKey(config, env, chain);
  try {
    const pairs = deriveCheckpointKeys(keys.secretKey);
    checkCheckpointKeys(findSelf(config, chain, keys.publicKey), pairs);
    const checkpointSigner = createCheckpointSigner({
      keys: pairs,
      onFailure: (error) => logger.log("error", "a checkpoint failed", { detail: String(error) }),
    });
    const signer = await createWorkerSigner({
      keys,
      onFailure: (error) => onFailure(fail(error.code, error.message)),
      onFault: (detail) => logger.log("warn", "noble has taken over in the signer", { detail }),
    });
    logger.log("info", "signing", { implementation: signer.implementation() });
    const epochKeys =
      chain.genesis.proofs.epochKeys === true
        ? await openKeyring({
            folder: nodePaths(config.folder).epochKeys,
            sealingKey: deriveEpochSealingKey(keys.secretKey),
            ...{ logger, onFailure },
          })
        : undefined;
    const revealer = openRevealer(
      chain,
      keys.secretKey,
      nodePaths(config.folder).beacon,
      onFailure,
    );
    return { signer, checkpointSigner, revealer, epochKeys };
  } finally {
    keys.secretKey.fill(0);
  }
};

const openRevealer = (
  { genesis, hasher }: ParsedGenesis,
  secretKey: Uint8Array,
  folder: string,
  onFailure: (failure: Failure) => void,
): NodeRevealer | undefined => {
  const { beacon } = genesis.proofs;
  if (beacon === null) return undefined;
  const secret = deriveIvrfSecret(secretKey);
  return createRevealer({ hasher, secret, depth: beacon.depth, folder, onFailure });
};

type Verification = {
  readonly verifier: NodeVerifier;
  /** For evidence, which is checked inside execution and so at once. */
  readonly verifySignature: VerifySignature;
};

/** `work`: what the chain asks for, whose checks may be too long for the thread that answers peers. */
export const openVerifier = async (
  logger: Logger,
  work: WorkParameters | null = null,
): Promise<Verification> => {
  const selection = await selectVerifier({
    onFault: (detail) => logger.log("warn", "WebAssembly verification failed", { detail }),
  });
  const falcon = selection.verifier;
  // In JavaScript a signature takes a millisecond, too long for the thread that answers peers.
  const isSlow = falcon.name === "noble" || isSlowToCheck(work);
  const pooled = isSlow || availableParallelism() >= POOL_CORES_MIN;
  const verifier = pooled
    ? await createVerifierPool({ logger, workers: POOL_WORKERS })
    : createInlineVerifier(falcon);
  logger.log("info", "verification", {
    implementation: falcon.name,
    reason: selection.reason,
    threads: pooled ? POOL_WORKERS : 0,
  });
  return {
    verifier,
    verifySignature: falcon.verify,
  };
};

/** A millisecond and more; a solution of Equihash is checked in a tenth of one. */
const isSlowToCheck = (work: WorkParameters | null): boolean =>
  work?.puzzle.kind === "argon2id" && work.puzzle.memoryKiB >= SLOW_ARGON_KIB;

type PortParts = {
  readonly tls: TlsIdentity;
  readonly signer: NodeSigner;
  readonly checkpointSigner: CheckpointSigner;
  readonly revealer: NodeRevealer | undefined;
  readonly epochKeys: NodeEpochKeyring | undefined;
  readonly verifier: NodeVerifier;
  readonly verifySignature: VerifySignature;
  readonly workProver: WorkProver;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly version: string;
};

/** The real ones: the main store can be read as a whole too. */
type OpenPorts = Ports & {
  readonly store: LevelStore;
  readonly transport: QuicTransport;
  readonly sectors?: SectorFiles;
};

const closeStore = (store: Store): Promise<void> =>
  new Promise((resolve) => {
    store.close(resolve);
  });

/** Stores and transport, which the replica closes once it has them; until then this function does. */
const openPorts = async (
  config: NodeConfig,
  paths: NodePaths,
  chain: ParsedGenesis,
  self: Pick<Validator, "id">,
  parts: PortParts,
): Promise<OpenPorts> => {
  await using closing = new AsyncDisposableStack();
  const { logger, metrics, signer, checkpointSigner, revealer, verifier, workProver } = parts;
  const store = await openLevelStore(paths.db, { logger });
  closing.defer(() => closeStore(store));
  if (rebuildPending((key) => store.get(key))) {
    logger.log("warn", "finishing a rebuild of the projections that was interrupted");
    await rebuildStore(store, chain, parts.verifySignature, () => {});
  }
  const voteStore = await openLevelStore(paths.votes, { logger, ...VOTE_STORE_BYTES });
  closing.defer(() => closeStore(voteStore));
  const { hasher } = chain;
  await beginVoteStore({ paths, voteStore, store, hasher, id: self.id, logger });
  await bindVotes(voteStore, store, chain);
  const ports = { clock: realClock, timers: realTimers, random: realRandom, logger, metrics };
  // A process that was killed in the moment of a dial may have left a key there.
  rmSync(paths.tlsTemporary, { recursive: true, force: true });
  const transport = await createQuicTransport({
    ...ports,
    listen: formatAddress(config.listen),
    bulkLoopShare: config.bulkDuty / 100,
    ...(config.driver === "quiche" ? {} : { reserve: { folder: paths.tlsTemporary } }),
    identity: parts.tls,
    ...{ self: toHex(self.id), relay: config.relay, reachable: config.reachable },
    security: {
      chainId: chain.genesis.chainId,
      genesisHash: chain.hash,
      idOf: (falconKey) => toHex(hasher.ht("id", falconKey)),
      ...{ signer, verifier, version: parts.version },
    },
    peers: chain.genesis.validators.map(({ id, address, tlsPin }) => ({
      id: toHex(id),
      address,
      tlsPin,
    })),
    named: config.peers,
  }).catch((error: unknown) => {
    throw bindError("listen", config.listen, error);
  });
  closing.move();
  const kept = readKeptCheckpoint(paths.checkpoint, chain.genesis, logger);
  const keptCheckpoint = kept === undefined ? {} : { keptCheckpoint: kept };
  const revealing = {
    ...(revealer === undefined ? {} : { revealer }),
    ...(parts.epochKeys === undefined ? {} : { epochKeys: parts.epochKeys }),
  };
  const signing = { signer, checkpointSigner, verifier, workProver, ...revealing };
  const opened = { store, voteStore, transport, ...signing };
  return { ...ports, ...opened, ...openSectors(paths, chain), ...keptCheckpoint };
};
