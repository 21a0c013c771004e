/**
 * A loopback that loses packets: a network namespace whose interface carries packets of an Ethernet's size, of which
 * nftables drops some at random as they come in, whatever protocol they are of. What is dropped is counted, so
 * that a rule that does nothing is no measurement. There is no delay: many kernels have no netem.
 */
import { Sandbox, sandboxProblem } from "../../test/faults/support/sandbox.ts";
import type { Place } from "./measure.ts";

/** UDP payload of 1,472 bytes, and the headers of UDP and IPv6. */
const MTU_BYTES = 1_472 + 8 + 40;

/** Without segments of many packets: each is lost on its own. */
const LINK = `ip link set lo mtu ${MTU_BYTES} gso_max_segs 1 up`;

const rules = (percent: number): string =>
  [
    "nft add table ip6 bench",
    "nft add chain ip6 bench in '{ type filter hook input priority 0; }'",
    `nft add rule ip6 bench in numgen random mod 100 '<' ${percent} counter drop`,
  ].join(" && ");

export type LossyLoopback = {
  readonly place: Pick<Place, "prefix">;
  /** Packets that were dropped since it was opened. */
  dropped(): Promise<number>;
  close(): Promise<void>;
};

/** Why there is no such loopback here; undefined where there is. */
export const lossyProblem = (): Promise<string | undefined> => sandboxProblem("networks");

export const openLossy = async (percent: number): Promise<LossyLoopback> => {
  const sandbox = await Sandbox.open("networks");
  try {
    await sandbox.shell(LINK);
    if (percent > 0) await sandbox.shell(rules(percent));
  } catch (error) {
    await sandbox.close();
    throw error;
  }
  return {
    place: { prefix: sandbox.prefix },
    dropped: async () => {
      if (percent === 0) return 0;
      const text = await sandbox.shell("nft list table ip6 bench");
      return Number(/counter packets (\d+)/.exec(text)?.[1] ?? 0);
    },
    close: () => sandbox.close(),
  };
};
