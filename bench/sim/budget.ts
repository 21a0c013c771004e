/** Where the CPU of a simulated run goes: a sampled profile, by part of the simulator and of the product. */
import { Session } from "node:inspector";
import { type Parts, type Profile, type Shares, sharesOf } from "../ledger/cpu-profile.ts";

const SAMPLE_US = 500;

/** Hashing, encoding and libraries count for whoever called them. */
const PARTS: Parts = [
  [/(?<!bench)\/sim\/(disk|sorted-map|rot|shared-rows)/, "simulator: disks"],
  [/(?<!bench)\/sim\/(checkers|observe|atlas)/, "simulator: checkers"],
  [/(?<!bench)\/sim\/signer/, "simulator: stub signatures"],
  [/(?<!bench)\/sim\/(net|links|bandwidth|statements)\.ts/, "simulator: network"],
  [/(?<!bench)\/sim\/trace/, "simulator: trace"],
  [/(?<!bench)\/sim\/(world|heap|host|prng)/, "simulator: queue, timers, chance"],
  [/(?<!bench)\/sim\/(workload|certificates)/, "simulator: clients"],
  [/(?<!bench)\/sim\//, "simulator: all else"],
  [/src\/ledger\/consensus/, "product: consensus core"],
  [/src\/ledger\/(replica\/cosigner|verify\/(checkpoint|note))/, "product: checkpoints"],
  [/src\/ledger\/replica\/(committer|block-store|forget|open-index)/, "product: append"],
  [/src\/ledger\/replica\/(held-states|proof)/, "product: states held for proofs"],
  [/src\/ledger\/(wire|statement|validator-set|verify)/, "product: messages and statements"],
  [/src\/ledger\/(mempool|batch|replica\/(batch-pool|submissions))/, "product: batches"],
  [/src\/ledger\/replica/, "product: driver of the core"],
  [/src\/(ledger|assets|detect|ca)\//, "product: blocks, execution, trees"],
  [/bench\//, "the benchmark itself"],
];

/**
 * Runs the work under the profiler. Each sample counts the same: the time between two is wall time, in which other
 * processes may have had the core.
 */
export const profiled = (work: () => void): Shares => {
  const session = new Session();
  session.connect();
  try {
    session.post("Profiler.enable");
    session.post("Profiler.setSamplingInterval", { interval: SAMPLE_US });
    session.post("Profiler.start");
    work();
    let profile: Profile = { nodes: [] };
    // Within one process the answer comes before `post` returns.
    session.post("Profiler.stop", (error, found) => {
      if (error !== null) throw error;
      profile = found.profile;
    });
    return sharesOf({ ...profile, timeDeltas: profile.samples?.map(() => 1) }, PARTS);
  } finally {
    session.disconnect();
  }
};
