/** When saying it to some only is a lie: as soon as two peers have been treated differently about one thing. */
import type { PeerId } from "../../src/ledger/ports.ts";
import { Recent } from "../checkers/recent.ts";
import type { Powers } from "./types.ts";

/** Views, or statements of views, that are remembered. */
const KEPT = 64;

type Treated = {
  /** How the first one was. */
  readonly way: string;
  readonly peers: Set<PeerId>;
};

/**
 * Takes note of how a peer has been treated about something: its own half of a lie shows nothing, as it may be the
 * only one. Of a peer the first time counts, as what is said again to it is news to nobody.
 */
export const createContrast = (
  powers: Pick<Powers, "acted">,
): ((about: string, peer: PeerId, way: string) => void) => {
  const known = new Recent<string, Treated>(KEPT);
  return (about, peer, way) => {
    const treated = known.get(about) ?? { way, peers: new Set<PeerId>() };
    if (treated.peers.has(peer)) return;
    treated.peers.add(peer);
    known.set(about, treated);
    if (way !== treated.way) powers.acted();
  };
};
