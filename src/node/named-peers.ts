/**
 * Members that an operator names, so that a node finds the network where the addresses of its genesis lead nowhere:
 * `ID@ADDRESS#PIN`, with commas between. The id is the hash of the member's key and the pin that of its TLS key: both
 * are checked in every session, so that an address alone makes nobody a peer.
 */
import { fromHex, toHex } from "../crypto/bytes.ts";
import { TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { parseAddress } from "../transport/address.ts";
import type { NamedPeer, TransportPeer } from "../transport/options.ts";

const invalid = (detail: string): TetradError =>
  new TetradError("config.invalid", `peers: ${detail}`);

const PEER = /^([0-9a-f]{64})@([^@#]{1,256})(?:#([0-9a-f]{64}))?$/;

const peerFrom = (text: string): NamedPeer => {
  const [, id, address, pin] =
    text.length <= LIMITS.namedPeerBytesMax * 2 ? (PEER.exec(text) ?? []) : [];
  if (id === undefined || address === undefined || address.length > LIMITS.namedPeerBytesMax) {
    throw invalid(`"${text.slice(0, 80)}" is not ID@ADDRESS#PIN`);
  }
  const parsed = parseAddress(address);
  if (!parsed.ok) throw invalid(parsed.detail);
  if (parsed.value.port === 0) throw invalid(`${address} needs a port`);
  return { id, address, tlsPin: pin === undefined ? undefined : fromHex(pin) };
};

/** What the setting `peers` says. Throws config.invalid. */
export const peersFrom = (value: unknown): readonly NamedPeer[] => {
  if (value === undefined) return [];
  if (typeof value !== "string") throw invalid("must be a text");
  const texts = value.split(",", LIMITS.namedPeersMax + 1);
  if (texts.length > LIMITS.namedPeersMax) throw invalid(`over ${LIMITS.namedPeersMax} of them`);
  const peers = texts.map((text) => peerFrom(text.trim()));
  const pins = peers.flatMap(({ tlsPin }) => (tlsPin === undefined ? [] : [toHex(tlsPin)]));
  if (new Set(peers.map(({ id }) => id)).size < peers.length || new Set(pins).size < pins.length) {
    throw invalid("two of them have one id or one pin");
  }
  return peers;
};

/** One as the setting `peers` has it. */
export const formatNamed = ({ id, address, tlsPin }: NamedPeer): string =>
  tlsPin === undefined ? `${id}@${address}` : formatPeer({ id, address, tlsPin });

/** The text of a member, for the setting `peers` of others. */
export const formatPeer = ({ id, address, tlsPin }: TransportPeer): string =>
  `${id}@${address}#${toHex(tlsPin)}`;
