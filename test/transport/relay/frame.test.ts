import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import {
  decodeRelayFrame,
  encodeRelayFrame,
  RELAY_REFUSALS,
  type RelayFrame,
  type RelayRefusal,
} from "../../../src/transport/relay/frame.ts";
import { idOf } from "../support.ts";

const HEAD_BYTES = 33;
const refusals = Object.keys(RELAY_REFUSALS) as readonly RelayRefusal[];

const peer = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((b) => Buffer.from(b).toString("hex"));
const packet = fc.uint8Array({ minLength: 1, maxLength: LIMITS.relay.packetBytesMax });
const frame: fc.Arbitrary<RelayFrame> = fc.oneof(
  fc.record({ kind: fc.constantFrom("forward" as const, "forwarded" as const), peer, packet }),
  fc.record({ kind: fc.constant("refused" as const), peer, refusal: fc.constantFrom(...refusals) }),
);

describe("datagrams between node and relay", () => {
  it("are read as they were written", () => {
    fc.assert(
      fc.property(frame, (value) => {
        expect(decodeRelayFrame(encodeRelayFrame(value))).toEqual({ ok: true, value });
      }),
    );
  });

  it("have one form each: what is read is written back byte for byte, and nothing else is read", () => {
    fc.assert(
      fc.property(
        fc.tuple(fc.nat(4), fc.uint8Array({ maxLength: 2 * HEAD_BYTES })),
        ([kind, rest]) => {
          const bytes = Uint8Array.of(kind, ...rest);
          const decoded = decodeRelayFrame(bytes);
          if (decoded.ok) expect(encodeRelayFrame(decoded.value)).toEqual(bytes);
          else expect(decoded.code).toBe("relay.malformed");
        },
      ),
      { numRuns: 500 },
    );
  });

  it("carry a packet up to packetBytesMax, and neither a longer one nor none", () => {
    const of = (bytes: number): Uint8Array =>
      encodeRelayFrame({ kind: "forward", peer: idOf(1), packet: new Uint8Array(bytes) });
    expect(decodeRelayFrame(of(LIMITS.relay.packetBytesMax)).ok).toBe(true);
    expect(decodeRelayFrame(of(1)).ok).toBe(true);
    for (const bytes of [0, LIMITS.relay.packetBytesMax + 1]) {
      expect(decodeRelayFrame(of(bytes))).toMatchObject({ ok: false, code: "relay.malformed" });
    }
  });
});
