/**
 * The list of members that the transport talks to: checked when it is given, so that everything after it is
 * about known ids, pins and addresses.
 */
import { toHex } from "../crypto/bytes.ts";
import { TetradError } from "../errors.ts";
import type { PeerId } from "../ledger/ports.ts";
import { type PeerAddress, parseAddress } from "./address.ts";
import type { NamedPeer, TransportPeer } from "./options.ts";
import type { PinTable } from "./tls.ts";

export type KnownPeer = {
  readonly id: PeerId;
  readonly address: PeerAddress;
  readonly addressText: string;
  readonly tlsPin: Uint8Array;
  readonly tlsPinHex: string;
};

export type KnownPeers = {
  readonly byId: ReadonlyMap<PeerId, KnownPeer>;
  readonly pins: PinTable;
};

/**
 * The members with those that the operator names: a named member is reached at the address that is named, because
 * members move and lists do not; whoever is on no list is one as well, if its pin is told. What a list says of
 * identities stands: neither the pin of a member nor one that a member has can be named for another.
 */
export const withNamed = (
  members: readonly TransportPeer[],
  named: readonly NamedPeer[],
): readonly TransportPeer[] => {
  const addresses = new Map(named.map(({ id, address }) => [id, address]));
  const ids = new Set(members.map(({ id }) => id));
  const pins = new Set(members.map(({ tlsPin }) => toHex(tlsPin)));
  const others = named.flatMap(({ id, address, tlsPin }): TransportPeer[] =>
    tlsPin === undefined || ids.has(id) || pins.has(toHex(tlsPin)) ? [] : [{ id, address, tlsPin }],
  );
  const moved = members.map((one) => ({ ...one, address: addresses.get(one.id) ?? one.address }));
  return [...moved, ...others];
};

/**
 * Throws transport.ipv4 or transport.address for an address that is not IPv6 or has port 0, config.invalid for an id or
 * pin that occurs twice or has the wrong shape. The entry of `self` is left out.
 */
export const readPeers = (peers: readonly TransportPeer[], self: PeerId): KnownPeers => {
  const byId = new Map<PeerId, KnownPeer>();
  const pins = new Map<string, PeerId>();
  for (const peer of peers) {
    if (peer.id === self) continue;
    if (!/^[0-9a-f]{64}$/.test(peer.id)) throw new TetradError("config.invalid", "bad peer id");
    const pin = toHex(peer.tlsPin);
    if (pin.length !== 64) throw new TetradError("config.invalid", "a TLS pin is 32 bytes");
    if (byId.has(peer.id) || pins.has(pin)) {
      throw new TetradError("config.invalid", "two peers have one id or one TLS pin");
    }
    const address = parseAddress(peer.address);
    if (!address.ok) throw TetradError.from(address);
    if (address.value.port === 0) {
      throw new TetradError("transport.address", "a peer's address needs a port");
    }
    byId.set(peer.id, {
      id: peer.id,
      address: address.value,
      addressText: peer.address,
      ...{ tlsPin: peer.tlsPin, tlsPinHex: pin },
    });
    pins.set(pin, peer.id);
  }
  return { byId, pins };
};
