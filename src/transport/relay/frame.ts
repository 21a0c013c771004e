/**
 * What goes between a node and a relay, each in one unreliable datagram of their own session (docs/protocol.md,
 * "Relays"). A node says for whom a packet is; the relay says from whom it came, which it knows from the
 * session: the sender cannot say it. Only `forward` is ever passed on, and as `forwarded`, so a packet goes
 * over one relay and no further. Pure.
 *
 *     u8 1 (forward)     addressee(32)   packet(1 to 1200)      to a relay
 *     u8 2 (forwarded)   sender(32)      packet(1 to 1200)      from a relay
 *     u8 3 (refused)     addressee(32)   u8 reason              from a relay, in answer to a forward
 */
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { type ErrorCode, fail, ok, type Result } from "../../errors.ts";
import type { PeerId } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";

const ID_BYTES = 32;
const HEAD_BYTES = 1 + ID_BYTES;

/** Why a relay does not pass a packet on: the code at both ends, and its byte on the wire. */
export const RELAY_REFUSALS = {
  "relay.not-offered": 1,
  "relay.not-member": 2,
  "relay.not-here": 3,
  "relay.rate": 4,
  "relay.full": 5,
} as const satisfies Partial<Record<ErrorCode, number>>;

export type RelayRefusal = keyof typeof RELAY_REFUSALS;

export type RelayFrame =
  | { readonly kind: "forward"; readonly peer: PeerId; readonly packet: Uint8Array }
  | { readonly kind: "forwarded"; readonly peer: PeerId; readonly packet: Uint8Array }
  | { readonly kind: "refused"; readonly peer: PeerId; readonly refusal: RelayRefusal };

const KINDS = { forward: 1, forwarded: 2, refused: 3 } as const;

const write = (kind: number, peer: PeerId, rest: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(HEAD_BYTES + rest.length);
  bytes[0] = kind;
  bytes.set(fromHex(peer), 1);
  bytes.set(rest, HEAD_BYTES);
  return bytes;
};

export const encodeRelayFrame = (frame: RelayFrame): Uint8Array =>
  write(
    KINDS[frame.kind],
    frame.peer,
    frame.kind === "refused" ? Uint8Array.of(RELAY_REFUSALS[frame.refusal]) : frame.packet,
  );

const refusalOf = (byte: number | undefined): RelayRefusal | undefined => {
  for (const [code, value] of Object.entries(RELAY_REFUSALS)) {
    if (value === byte) return code as RelayRefusal;
  }
  return undefined;
};

/** Reads one datagram; the packet is a part of it. Code: relay.malformed. */
export const decodeRelayFrame = (bytes: Uint8Array): Result<RelayFrame> => {
  const kind = bytes[0];
  const rest = bytes.subarray(HEAD_BYTES);
  if (rest.length < 1 || rest.length > LIMITS.relay.packetBytesMax) {
    return fail("relay.malformed", `a datagram of ${bytes.length} bytes between node and relay`);
  }
  const peer = toHex(bytes.subarray(1, HEAD_BYTES));
  if (kind === KINDS.forward) return ok({ kind: "forward", peer, packet: rest });
  if (kind === KINDS.forwarded) return ok({ kind: "forwarded", peer, packet: rest });
  const refusal = rest.length === 1 ? refusalOf(rest[0]) : undefined;
  return kind === KINDS.refused && refusal !== undefined
    ? ok({ kind: "refused", peer, refusal })
    : fail("relay.malformed", "a datagram between node and relay that says nothing we know");
};
