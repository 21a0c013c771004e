import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeLocationMessage,
  encodeLocationMessage,
  isLocationFrame,
  LOCATION_FRAME_BYTES_MAX,
  type LocationMessage,
} from "../../src/ledger/location-messages.ts";
import { decodeMessage } from "../../src/ledger/wire.ts";
import { LIMITS } from "../../src/limits.ts";

const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const signature = fc.uint8Array({
  minLength: LIMITS.falconSignatureBytes,
  maxLength: LIMITS.falconSignatureBytes,
});
const of = { epoch: number, sector: number };
const message: fc.Arbitrary<LocationMessage> = fc.oneof(
  fc.record({ type: fc.constant("location-request" as const), ...of }),
  fc.record({ type: fc.constant("location-challenge" as const), ...of, challenge: hash }),
  fc.record({
    ...{ type: fc.constant("location-answer" as const), challenge: hash },
    openings: fc.uint8Array({ maxLength: 2_000 }),
  }),
  fc.record({
    ...{ type: fc.constant("location-receipt" as const), ...of, rounds: hash, signature },
    rttUs: fc.integer({ min: 0, max: 0xffff_ffff }),
  }),
);

describe("messages of a measurement", () => {
  it("come out as they went in, and are of no other kind", () => {
    fc.assert(
      fc.property(message, (sent) => {
        const bytes = encodeLocationMessage(sent);
        expect(isLocationFrame(bytes)).toBe(true);
        const got = decodeLocationMessage(bytes);
        expect(got.ok && got.value).toEqual(sent);
        // A replica of a chain that asks for no location knows no such type.
        expect(decodeMessage(bytes)).toMatchObject({ ok: false, code: "encoding.version" });
      }),
    );
  });

  it("are read strictly, whatever comes", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 2_500 }),
      fc
        .tuple(message, fc.nat(), fc.nat(255))
        .map(([sent, at, byte]) => encodeLocationMessage(sent).with(0, 17 + ((at + byte) % 4))),
      fc.tuple(message, fc.integer({ min: -40, max: 40 })).map(([sent, by]) => {
        const right = encodeLocationMessage(sent);
        return by < 0 ? right.slice(0, by) : new Uint8Array([...right, ...new Uint8Array(by)]);
      }),
    );
    fc.assert(
      fc.property(bytes, (frame) => {
        const got = decodeLocationMessage(frame);
        if (got.ok) expect(encodeLocationMessage(got.value)).toEqual(new Uint8Array(frame));
        else expect(got.code).toBe("encoding.malformed");
      }),
    );
  });

  it("keep nothing of the frame that they came in", () => {
    const frame = encodeLocationMessage({
      ...{ type: "location-answer", challenge: new Uint8Array(32).fill(1) },
      openings: new Uint8Array(64).fill(2),
    });
    const got = decodeLocationMessage(frame);
    frame.fill(9);
    expect(got).toMatchObject({ ok: true, value: { openings: new Uint8Array(64).fill(2) } });
  });

  it("have at most an answer of all labels of the largest sector", () => {
    const answer = (length: number): Uint8Array =>
      encodeLocationMessage({
        ...{ type: "location-answer", challenge: new Uint8Array(32) },
        openings: new Uint8Array(length),
      });
    const most = LIMITS.locationLabels[1] * 32 * (1 + LIMITS.spaceLgNodes[1]);
    expect(answer(most).length).toBe(LOCATION_FRAME_BYTES_MAX);
    expect(decodeLocationMessage(answer(most)).ok).toBe(true);
    expect(decodeLocationMessage(answer(most + 1)).ok).toBe(false);
    expect(LOCATION_FRAME_BYTES_MAX).toBeLessThanOrEqual(LIMITS.frameBytesMax.control);
  });
});
