/** The post-quantum handshake of a session as a state machine: both ends in one thread, with no network. */
import { randomBytes } from "node:crypto";
import { sha256 } from "../../src/crypto/hash.ts";
import { threadCpuMs } from "../../src/node/signing/thread-cpu.ts";
import { Handshake, type HandshakeEffect } from "../../src/transport/stoq/handshake.ts";
import type { Channel, Role } from "../../src/transport/stoq/transcript.ts";
import type { BenchNode } from "./keys.ts";

const party = ({ id }: BenchNode) => ({
  id,
  certificateHash: sha256(new Uint8Array(1)),
  hello: new Uint8Array(13),
});
const channelOf = (first: BenchNode, second: BenchNode): Channel => ({
  chainId: first.security.chainId,
  genesisHash: first.security.genesisHash,
  initiator: party(first),
  responder: party(second),
  tlsExporter: new Uint8Array(0),
});

const endOf = (role: Role, channel: Channel, { security, falcon }: BenchNode) => {
  const machine = new Handshake({
    role,
    channel,
    falconKey: security.signer.publicKey,
    idOf: security.idOf,
    entropy: (bytes) => Uint8Array.from(randomBytes(bytes)),
    admit: () => true,
  });
  const out: Uint8Array[] = [];
  const run = (effects: readonly HandshakeEffect[]): void => {
    for (const effect of effects) {
      if (effect.type === "send") out.push(effect.bytes);
      else if (effect.type === "failed") throw new Error(effect.failure.code);
      else if (effect.type === "sign") run(machine.signed(falcon.sign(effect.message)));
      else if (effect.type === "verify") {
        const { signature, message, publicKey } = effect.job;
        run(machine.verified(falcon.verifier.verify(signature, message, publicKey)));
      }
    }
  };
  return { machine, out, run };
};

/** Bytes of one whole handshake. */
const handshake = (first: BenchNode, second: BenchNode): number => {
  const channel = channelOf(first, second);
  const [a, b] = [endOf("initiator", channel, first), endOf("responder", channel, second)];
  b.run(b.machine.start());
  a.run(a.machine.start());
  for (const [from, to] of [
    [a, b],
    [b, a],
    [a, b],
  ] as const) {
    to.run(to.machine.receive(from.out.at(-1) ?? new Uint8Array(0)));
  }
  if (a.machine.state !== "done" || b.machine.state !== "done") throw new Error("not done");
  return [...a.out, ...b.out].reduce((sum, { length }) => sum + length, 0);
};

export type HandshakeTimes = {
  /** Of the messages of one handshake. */
  readonly bytes: number;
  /** Milliseconds of each. */
  readonly samples: readonly number[];
  /** CPU time of one, both ends: on a busy machine the clock tells how busy it is. */
  readonly cpuMs: number;
};

export const timeHandshakes = (
  first: BenchNode,
  second: BenchNode,
  rounds: number,
): HandshakeTimes => {
  const bytes = handshake(first, second);
  const fromMs = threadCpuMs();
  const samples = Array.from({ length: rounds }, () => {
    const startMs = performance.now();
    handshake(first, second);
    return performance.now() - startMs;
  });
  return { bytes, samples, cpuMs: (threadCpuMs() - fromMs) / rounds };
};
