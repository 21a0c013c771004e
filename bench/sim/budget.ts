/** Where the CPU of a simulated run goes: a sampled profile, by part of the simulator and of the product. */
import { Session } from "node:inspector";
import { type Parts, type Profile, type Shares, sharesOf } from "../ledger/cpu-profile.ts";

const SAMPLE_US = 500;

/** Hashing, encoding and libraries count for whoever called them. */
const PARTS: Parts = [
  [/sim\/(disk|sorted-map|rot|shared-rows)/, "simulator: disks"],
  [/sim\/(checkers|observe|atlas)/, "simulator: checkers"],
  [/sim\/signer/, "simulator: stub signatures"],
  [/sim\/(net|links|bandwidth|statements)\.ts/, "simulator: network"],
  [/sim\/trace/, "simulator: trace"],
  [/sim\/(world|heap|host|prng)/, "simulator: queue, timers, chance"],
  [/sim\/(workload|certificates)/, "simulator: clients"],
  [/sim\//, "simulator: all else"],
  [/src\/ledger\/consensus/, "product: consensus core"],
  [/src\/ledger\/(replica\/cosigner|verify\/(checkpoint|note))/, "product: checkpoints"],
  [/src\/ledger\/replica\/(committer|block-store|forget|open-index)/, "product: append"],
  [/src\/ledger\/replica\/(held-states|proof)/, "product: states held for proofs"],
  [/src\/ledger\/(wire|statement|validator-set|verify)/, "product: messages and statements"],
  [/src\/ledger\/(mempool|batch|replica\/(batch-pool|submissions))/, "product: batches"],
  [/src\/ledger\/replica/, "product: driver of the core"],
  [/src\/(ledger|assets|detect|ca)\//, "product: blocks, execution, trees"],
];

/** Runs the work under the profiler. */
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
    return sharesOf(profile, PARTS);
  } finally {
    session.disconnect();
  }
};
