/** Members that an operator names: what is read, and how it goes together with the lists of members. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { TetradError } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";
import { formatPeer, peersFrom } from "../../src/node/named-peers.ts";
import type { TransportPeer } from "../../src/transport/options.ts";
import { readPeers, withNamed } from "../../src/transport/peers.ts";

const bytes = (of: number): Uint8Array => new Uint8Array(32).fill(of);
const peer = (of: number, port = 4440 + of): TransportPeer => ({
  ...{ id: toHex(bytes(of)), address: `[2001:db8::${of}]:${port}`, tlsPin: bytes(100 + of) },
});
const SELF = toHex(bytes(99));

const codeOf = (value: unknown): string => {
  try {
    peersFrom(value);
    return "ok";
  } catch (error) {
    if (error instanceof TetradError) return error.code;
    throw error;
  }
};

describe("the setting peers", () => {
  it("is what the command prints, with commas between", () => {
    const all = [peer(1), peer(2)];
    expect(peersFrom(all.map(formatPeer).join(", "))).toEqual(all);
    expect(peersFrom(undefined)).toEqual([]);
    const [id] = formatPeer(peer(3)).split("#");
    expect(peersFrom(id)).toEqual([{ ...peer(3), tlsPin: undefined }]);
    const name = `${peer(4).id}@node.example.org:4440`;
    expect(peersFrom(name)[0]?.address).toBe("node.example.org:4440");
  });

  it("is refused where it is anything else", () => {
    const good = formatPeer(peer(1));
    for (const bad of [
      ...["", "x", good.slice(1), `${good}0`, good.replace("#", "##"), good.replace("@", "")],
      ...[good.replace("4441", "0"), good.replace("[2001:db8::1]", "192.0.2.1"), `${good},`],
      ...[`${good},${good}`, `${good},${formatPeer({ ...peer(2), tlsPin: bytes(101) })}`, 7, true],
      `${peer(1).id}@${"a".repeat(LIMITS.namedPeerBytesMax)}:1`,
    ]) {
      expect(codeOf(bad), String(bad)).toBe("config.invalid");
    }
    const many = (count: number): string =>
      Array.from({ length: count }, (_, i) => formatPeer(peer(i))).join(",");
    expect(codeOf(many(LIMITS.namedPeersMax))).toBe("ok");
    expect(codeOf(many(LIMITS.namedPeersMax + 1))).toBe("config.invalid");
  });

  it("never gives what the transport would not take", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constant(formatPeer(peer(1)))),
        fc.nat(140),
        (text, at) => {
          const changed = `${text.slice(0, at)}${text.slice(at + 1)}`;
          if (codeOf(changed) !== "ok") return;
          expect(readPeers(withNamed([], peersFrom(changed)), SELF).byId.size).toBeLessThanOrEqual(
            1,
          );
        },
      ),
    );
  });
});

describe("named members beside a list", () => {
  it("are reached at the named address, with the pin of the list", () => {
    const moved = { ...peer(1, 7000), tlsPin: bytes(5) };
    const [one, two] = withNamed([peer(1), peer(2)], [moved]);
    expect(one).toEqual({ ...peer(1), address: moved.address });
    expect(two).toEqual(peer(2));
  });

  it("are members where the list has them not and their pin is told", () => {
    expect(withNamed([peer(1)], [peer(2), { ...peer(3), tlsPin: undefined }])).toEqual([
      peer(1),
      peer(2),
    ]);
    // Nobody else is let in with the pin that a member has.
    expect(withNamed([peer(1)], [{ ...peer(2), tlsPin: peer(1).tlsPin }])).toEqual([peer(1)]);
  });

  it("leave a list that the transport takes one that it takes", () => {
    const some = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 6 });
    fc.assert(
      fc.property(some, some, fc.integer({ min: 0, max: 9 }), (members, named, shift) => {
        const others = named.map((of) => ({ ...peer(of), tlsPin: bytes(100 + of + shift) }));
        const all = withNamed(
          members.map((of) => peer(of)),
          others,
        );
        const { byId } = readPeers(all, SELF);
        for (const of of members) {
          expect(byId.get(peer(of).id)?.tlsPinHex).toBe(toHex(peer(of).tlsPin));
        }
      }),
    );
  });
});
