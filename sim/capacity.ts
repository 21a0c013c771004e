/**
 * The network model: the replicas of production over a map of the world, each with one processor on which
 * signatures, checks, hashes, execution and writes wait for each other, at costs that the caller has
 * measured. It answers what a network of n nodes costs and how long finality takes there; nothing fails in
 * it. Links have latency and no bound on bandwidth.
 */
import type { LedgerHandle } from "../src/ledger/handle.ts";
import type { Ports, Store, Transport } from "../src/ledger/ports.ts";
import { createNetwork, type SimNetwork } from "./network.ts";
import { CALM, scenario } from "./scenario.ts";
import { SYSTEM } from "./system.ts";
import { startWorkload } from "./workload.ts";
import type { World } from "./world.ts";

/** Microseconds of one processor. */
export type CpuCosts = {
  readonly sign: number;
  readonly verify: number;
  readonly hashKiB: number;
  /** Decode, check and execute an event that is alone in its batch. */
  readonly execute: number;
  /** A row in a synced write. */
  readonly writeRow: number;
};

export type CapacityOptions = {
  readonly n: number;
  /** Round trips between places, milliseconds; nodes are spread over them evenly. */
  readonly rttMs: readonly (readonly number[])[];
  readonly costs: CpuCosts;
  readonly batchesPerSecond: number;
  readonly bodyBytes: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
};

/** Bytes that a node may send a view, in the mean, at n = 100 and under this load (I20, docs/scale.md). */
export const EGRESS_MAX = 400_000;

/** The load of docs/scale.md, and the costs that stand there. */
export const DOCUMENTED_LOAD: Pick<
  CapacityOptions,
  "costs" | "batchesPerSecond" | "bodyBytes" | "warmUpMs"
> = {
  costs: { sign: 521, verify: 80, hashKiB: 0.77, execute: 81, writeRow: 29 },
  batchesPerSecond: 20,
  bodyBytes: 200,
  warmUpMs: 4_000,
};

export type Capacity = {
  readonly n: number;
  readonly views: number;
  readonly heights: number;
  /** Mean over nodes and views, bytes; and of it by the first byte of the message. */
  readonly egress: number;
  readonly egressByType: ReadonlyMap<number, number>;
  /** The most that one node sent between two blocks that it executed: one view, or some. */
  readonly egressMax: number;
  /** A node and view. */
  readonly signed: number;
  readonly verified: number;
  /** From a client's hand-over to its node until that node has it synced as final, milliseconds. */
  readonly finalityMs: readonly number[];
  /** Share of the measured time in which the mean, and the busiest, processor worked. */
  readonly busy: number;
  readonly busyMax: number;
};

/** One processor: what it is asked to do is done in order, each for its time. */
class Processor {
  readonly #world: World;
  #freeUs = 0;
  workedUs = 0;

  constructor(world: World) {
    this.#world = world;
  }

  run(us: number, then: () => void): void {
    this.charge(us);
    this.#world.at(this.#freeUs, then);
  }

  /** Work that has been done already: what comes next waits for it. */
  charge(us: number): void {
    this.#freeUs = Math.max(this.#freeUs, this.#world.nowUs) + us;
    this.workedUs += us;
  }
}

/** What one node did in the measured time. */
class Meter {
  bytes = 0;
  signed = 0;
  verified = 0;
  most = 0;
  #inView = 0;
  readonly byType = new Map<number, number>();

  sent(bytes: Uint8Array): void {
    const type = bytes[0] ?? 0;
    this.bytes += bytes.length;
    this.#inView += bytes.length;
    this.byType.set(type, (this.byType.get(type) ?? 0) + bytes.length);
  }

  nextView(): void {
    this.most = Math.max(this.most, this.#inView);
    this.#inView = 0;
  }

  clear(): void {
    this.bytes = 0;
    this.signed = 0;
    this.verified = 0;
    this.most = 0;
    this.#inView = 0;
    this.byType.clear();
  }
}

const chargedStore = (store: Store, processor: Processor, costs: CpuCosts): Store => ({
  ...store,
  write: (ops, options, done) =>
    processor.run(ops.length * costs.writeRow, () => store.write(ops, options, done)),
});

const chargedTransport = (
  transport: Transport,
  processor: Processor,
  costs: CpuCosts,
  meter: Meter,
): Transport => ({
  ...transport,
  start: (handler) =>
    transport.start({
      ...handler,
      frame: (peer, trafficClass, bytes) =>
        processor.run((bytes.length / 1024) * costs.hashKiB, () =>
          handler.frame(peer, trafficClass, bytes),
        ),
    }),
  send: (peer, trafficClass, bytes) => {
    const sent = transport.send(peer, trafficClass, bytes);
    if (sent) meter.sent(bytes);
    return sent;
  },
});

const chargedPorts = (
  ports: Ports,
  processor: Processor,
  costs: CpuCosts,
  meter: Meter,
): Ports => ({
  ...ports,
  store: chargedStore(ports.store, processor, costs),
  voteStore: chargedStore(ports.voteStore, processor, costs),
  transport: chargedTransport(ports.transport, processor, costs, meter),
  signer: {
    publicKey: ports.signer.publicKey,
    sign: (message, done) => {
      meter.signed += 1;
      processor.run(costs.sign, () => ports.signer.sign(message, done));
    },
  },
  verifier: {
    verify: (jobs, priority, done) => {
      meter.verified += jobs.length;
      processor.run(jobs.length * costs.verify, () => ports.verifier.verify(jobs, priority, done));
    },
  },
});

/** Charges the execution of events, and tells the meter of each block of a new view. */
const watch = (handle: LedgerHandle, processor: Processor, costs: CpuCosts, meter: Meter): void => {
  let logSize = 0;
  let view = 0;
  handle.onExecuted(() => {
    const status = handle.status();
    processor.charge((status.logSize - logSize) * costs.execute);
    logSize = status.logSize;
    if (status.view !== view) meter.nextView();
    view = status.view;
  });
};

const scenarioOf = (options: CapacityOptions): ReturnType<typeof scenario> => {
  const untilMs = options.warmUpMs + options.measuredMs;
  return scenario("capacity", {
    n: options.n,
    // Distances are delays, as a fault would make them (`build`): none of them may end while it is measured.
    healMs: 2 * untilMs,
    knobs: { ...CALM, signer: { ...CALM.signer, signUs: 0, verifyUs: 0, checkpoints: true } },
    workload: {
      // A client has one batch under way: enough of them that none waits for the one before.
      clients: Math.ceil(options.batchesPerSecond * 2),
      batchesPerSecond: options.batchesPerSecond,
      eventsPerBatch: 1,
      bodyBytes: options.bodyBytes,
      untilMs,
    },
  });
};

type Measured = {
  readonly network: SimNetwork;
  readonly meters: readonly Meter[];
  readonly processors: readonly Processor[];
};

const build = (options: CapacityOptions, whole: ReturnType<typeof scenario>): Measured => {
  const { n, costs, rttMs } = options;
  const places = rttMs.length;
  const placeOf = (slot: number): number =>
    n < places ? Math.floor((slot * places) / n) : slot % places;
  const meters = Array.from({ length: n }, () => new Meter());
  const processors: Processor[] = [];
  const network = createNetwork(whole, {
    ...SYSTEM,
    checkers: [],
    createSystem: (chain, scheme) => {
      const system = SYSTEM.createSystem(chain, scheme);
      return {
        ...system,
        boot: (ports, slot, incarnation) => {
          const processor = processors[slot] as Processor;
          const meter = meters[slot] as Meter;
          const charged = chargedPorts(ports, processor, costs, meter);
          const handle = system.boot(charged, slot, incarnation);
          watch(handle, processor, costs, meter);
          return handle;
        },
      };
    },
  });
  for (let a = 0; a < n; a++) {
    processors.push(new Processor(network.world));
    for (let b = 0; b < n; b++) {
      // Half of a round trip, in microseconds.
      network.net.links.addDelay(a, b, (rttMs[placeOf(a)]?.[placeOf(b)] ?? 0) * 500);
    }
  }
  return { network, meters, processors };
};

const statusOf = ({
  nodes,
}: SimNetwork): { readonly view: number; readonly finalHeight: number } => {
  const status = nodes[0]?.handle?.status();
  if (status === undefined) throw new RangeError("the first node does not run");
  return status;
};

/** What the meters say of so many views. */
const traffic = (
  meters: readonly Meter[],
  views: number,
): Pick<Capacity, "egress" | "egressByType" | "egressMax" | "signed" | "verified"> => {
  const share = meters.length * Math.max(1, views);
  const egressByType = new Map<number, number>();
  for (const meter of meters) {
    for (const [type, bytes] of meter.byType) {
      egressByType.set(type, (egressByType.get(type) ?? 0) + bytes / share);
    }
  }
  const mean = (of: (meter: Meter) => number): number =>
    meters.reduce((total, meter) => total + of(meter), 0) / share;
  return {
    egress: mean((meter) => meter.bytes),
    egressByType,
    egressMax: Math.max(...meters.map(({ most }) => most)),
    signed: mean((meter) => meter.signed),
    verified: mean((meter) => meter.verified),
  };
};

/** Runs a network for the virtual time that the options give, and says what it took. */
export const measureCapacity = (options: CapacityOptions): Capacity => {
  const whole = scenarioOf(options);
  const { network, meters, processors } = build(options, whole);
  const { world, nodes, chain, scheme } = network;
  for (const node of nodes) node.start();
  const sinceUs = new Map<string, number>();
  let finalityMs: number[] = [];
  startWorkload({
    world,
    chain,
    nodes,
    scheme,
    workload: whole.workload,
    submitted: (_slot, { batchIdHex }) => sinceUs.set(batchIdHex, world.nowUs),
    acknowledged: (_slot, { batchIdHex }) => {
      const atUs = sinceUs.get(batchIdHex);
      if (atUs !== undefined) finalityMs.push((world.nowUs - atUs) / 1000);
    },
  });
  world.runUntil(options.warmUpMs * 1000);
  const before = statusOf(network);
  for (const meter of meters) meter.clear();
  for (const processor of processors) processor.workedUs = 0;
  finalityMs = [];
  world.runUntil((options.warmUpMs + options.measuredMs) * 1000);
  const after = statusOf(network);
  const views = after.view - before.view;
  network.memory.close();
  const busy = processors.map(({ workedUs }) => workedUs / (options.measuredMs * 1000));
  return {
    n: options.n,
    views,
    heights: after.finalHeight - before.finalHeight,
    ...traffic(meters, views),
    finalityMs,
    busy: busy.reduce((total, one) => total + one, 0) / options.n,
    busyMax: Math.max(...busy),
  };
};
