/** The validators of a set as peers: made once a set, because every frame asks for them. */
import { toHex } from "../../crypto/bytes.ts";
import type { PeerId } from "../ports.ts";
import type { ValidatorSet } from "../types.ts";

export type PeerIds = {
  /** By index in the set. */
  readonly ids: readonly PeerId[];
  readonly indexes: ReadonlyMap<PeerId, number>;
};

const made = new WeakMap<ValidatorSet, PeerIds>();

export const peerIds = (set: ValidatorSet): PeerIds => {
  let peers = made.get(set);
  if (peers === undefined) {
    const ids = set.validators.map(({ id }) => toHex(id));
    peers = { ids, indexes: new Map(ids.map((id, index) => [id, index])) };
    made.set(set, peers);
  }
  return peers;
};
