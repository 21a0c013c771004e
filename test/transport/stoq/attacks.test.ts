/**
 * The attacks of docs/protocol.md on a node's own socket: QUIC sessions with a member's TLS key, in which the test
 * says what is said. What each needs besides the TLS key it has: recorded messages, keys of its own.
 */
import { afterEach, describe, expect, it, vi } from "vitest";
import { sha256 } from "../../../src/crypto/hash.ts";
import { FrameParser } from "../../../src/transport/framing.ts";
import type { QuicTransport } from "../../../src/transport/quic-transport.ts";
import { encodeHello, FEATURES } from "../../../src/transport/stoq/hello.ts";
import { hashOfCertificate } from "../../../src/transport/tls.ts";
import { CONTROL, RawClient, SEALED } from "../raw-client.ts";
import {
  freePorts,
  idOf,
  makeIdentity,
  makeTransport,
  record,
  securityOf,
  type TestIdentity,
  until,
} from "../support.ts";
import { channelOf, End, falconKeys } from "./support.ts";

vi.setConfig({ testTimeout: 120_000 });

// Made now: it takes so long that sessions would fall silent meanwhile.
for (const n of [0, 1, 2]) falconKeys(n);

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** The streams that the node opens, who is the accepter (src/transport/lane.ts). */
const CONTROL_BACK = CONTROL + 1;
const SEALED_BACK = SEALED + 1;

type Victim = {
  readonly identity: TestIdentity;
  readonly transport: QuicTransport;
  readonly port: number;
  /** Members number 1 and 2, whose keys the test has. */
  readonly members: readonly [TestIdentity, TestIdentity];
};

const openVictim = async (): Promise<Victim> => {
  const identity = makeIdentity(idOf(0));
  const members = [makeIdentity(idOf(1)), makeIdentity(idOf(2))] as const;
  const [nobody = 0] = await freePorts(1);
  const peers = members.map(({ id, spkiPin }, i) => ({
    ...{ id, tlsPin: spkiPin },
    address: `[::1]:${nobody + i}`,
  }));
  const transport = await makeTransport({ identity, peers });
  cleanups.push(() => new Promise<void>((resolve) => transport.close(resolve)));
  record(transport);
  const port = Number(/:(\d+)$/.exec(transport.address())?.[1]);
  return { identity, transport, port, members };
};

const framed = (payload: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(4 + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length);
  frame.set(payload, 4);
  return frame;
};

/** A QUIC session with the TLS key of a member, past the hellos. */
class Wire {
  readonly client: RawClient;
  readonly hello: Uint8Array;
  readonly #frames = new Map<
    number,
    { readonly parser: FrameParser; readonly got: Uint8Array[] }
  >();

  constructor(client: RawClient, features: number) {
    this.client = client;
    this.hello = encodeHello({ run: new Uint8Array(8).fill(9), features });
  }

  static async open(victim: Victim, member: TestIdentity, features = 1): Promise<Wire> {
    const client = await RawClient.connect({ port: victim.port, identity: member });
    cleanups.push(() => client.dispose());
    await until(() => client.quic.isEstablished(), "TLS");
    const wire = new Wire(client, features);
    client.send(CONTROL, framed(wire.hello));
    return wire;
  }

  say(message: Uint8Array | undefined): void {
    if (message === undefined) throw new RangeError("nothing to say");
    this.client.send(SEALED, framed(message));
  }

  /** Frame number `index` of a stream of the node. */
  async frame(stream: number, index = 0): Promise<Uint8Array> {
    const own = this.#frames.get(stream) ?? { parser: new FrameParser(1 << 20), got: [] };
    this.#frames.set(stream, own);
    await until(() => {
      for (const bytes of this.#read(stream)) {
        own.parser.push(bytes, (payload) => own.got.push(payload) > 0);
      }
      return own.got.length > index;
    }, "a frame");
    return own.got[index] ?? new Uint8Array(0);
  }

  *#read(stream: number): Iterable<Uint8Array> {
    const buffer = new Uint8Array(65_536);
    while (this.client.quic.streamReadable(stream)) {
      const read = this.client.quic.streamRecv(stream, buffer);
      if (read === null) return;
      yield buffer.slice(0, read[0]);
    }
  }

  /** An end that sees this session as it is, or as `hello` would have it. */
  async end(victim: Victim, member: TestIdentity, keys: number, hello = this.hello): Promise<End> {
    const channel = channelOf({
      genesisHash: sha256(new Uint8Array(0)),
      initiator: { id: member.id, certificateHash: hashOfCertificate(member.certPem), hello },
      responder: {
        id: victim.identity.id,
        certificateHash: hashOfCertificate(victim.identity.certPem),
        hello: await this.frame(CONTROL_BACK),
      },
    });
    const options = { channel, keys: falconKeys(keys), idOf: securityOf(member.id).idOf };
    return new End("initiator", options).start();
  }
}

const refusals = ({ transport }: Victim, code: string): number =>
  transport.figures().refused[code] ?? 0;

const expectRefused = async (victim: Victim, wire: Wire, code: string): Promise<void> => {
  await until(() => wire.client.isRefused && refusals(victim, code) === 1, code);
  for (const { id } of victim.members) expect(victim.transport.isSecured?.(id)).toBe(false);
};

/** A whole honest handshake of member 1, whose messages somebody records. */
const honest = async (
  victim: Victim,
): Promise<{ readonly end: End; readonly wire: Wire; readonly answer: Uint8Array }> => {
  const [member] = victim.members;
  const wire = await Wire.open(victim, member);
  const end = await wire.end(victim, member, 1);
  wire.say(end.last);
  const answer = await wire.frame(SEALED_BACK);
  end.receive(answer);
  expect(end.failure).toBeUndefined();
  wire.say(end.last);
  // The node's first record: it has taken the signature.
  await wire.frame(SEALED_BACK, 1);
  return { end, wire, answer };
};

describe("on a node's socket", () => {
  it("who has the member's keys comes through: the attacks below differ from this by what they lack", async () => {
    const victim = await openVictim();
    const { end, wire } = await honest(victim);
    expect(end.secrets).toBeDefined();
    expect(wire.client.isRefused).toBe(false);
    expect(victim.transport.figures().refused).toEqual({});
  });

  it("replay: a recorded open and confirm prove nothing in another session", async () => {
    const victim = await openVictim();
    const [member] = victim.members;
    const { end, wire: recorded } = await honest(victim);
    recorded.client.quic.close(true, 0, new Uint8Array(0));
    recorded.client.pump();
    await until(() => victim.transport.peers().length === 0, "the recorded session is over");
    const wire = await Wire.open(victim, member);
    wire.say(end.out[0]);
    await wire.frame(SEALED_BACK);
    wire.say(end.out[1]);
    await expectRefused(victim, wire, "session.confirmation");
  });

  it("reflection: the node's own record opens in no direction but the one it was sealed for", async () => {
    const victim = await openVictim();
    const { wire, end } = await honest(victim);
    const record = await wire.frame(SEALED_BACK, 1);
    wire.say(record);
    await until(() => refusals(victim, "session.unsealed") === 1, "unsealed");
    expect(end.secrets).toBeDefined();
  });

  it("reflection: the node's answer, and its own key in an open, come back to it", async () => {
    const victim = await openVictim();
    const [member] = victim.members;
    const wire = await Wire.open(victim, member);
    const end = await wire.end(victim, member, 1);
    wire.say(end.last);
    wire.say(await wire.frame(SEALED_BACK));
    await expectRefused(victim, wire, "session.reflected");
    const other = await Wire.open(victim, member);
    other.say((await other.end(victim, member, 0)).last);
    await until(() => refusals(victim, "session.reflected") === 2, "its own key");
  });

  it("unknown key share: a member that passes on another's messages has no session in either name", async () => {
    const victim = await openVictim();
    const [member, other] = victim.members;
    // Member 2 has its own TLS session, and what it says in it are the messages of member 1.
    const wire = await Wire.open(victim, other);
    wire.say((await wire.end(victim, member, 1)).last);
    await expectRefused(victim, wire, "session.identity");
  });

  it("unknown key share: an honest member and the node do not agree through another certificate", async () => {
    const victim = await openVictim();
    const [member] = victim.members;
    const wire = await Wire.open(victim, member);
    // The member believes to have shown its own certificate; the one in the middle has shown another.
    const own = makeIdentity(member.id);
    const end = await wire.end(victim, { ...own, id: member.id }, 1);
    wire.say(end.last);
    end.receive(await wire.frame(SEALED_BACK));
    expect(end.failure?.code).toBe("session.confirmation");
    expect([end.signatures, end.verifications]).toEqual([0, 0]);
  });

  it("downgrade: a feature that somebody took out of the hello on the way ends it at the member", async () => {
    const victim = await openVictim();
    const [member] = victim.members;
    const wire = await Wire.open(victim, member, FEATURES.sealedSession);
    const said = encodeHello({
      run: new Uint8Array(8).fill(9),
      features: FEATURES.sealedSession | FEATURES.bulkNotes,
    });
    const end = await wire.end(victim, member, 1, said);
    wire.say(end.last);
    end.receive(await wire.frame(SEALED_BACK));
    expect(end.failure?.code).toBe("session.confirmation");
  });

  it("downgrade: there is one version of the handshake, and none before it", async () => {
    const victim = await openVictim();
    const [member] = victim.members;
    const wire = await Wire.open(victim, member);
    const open = (await wire.end(victim, member, 1)).last;
    open[1] = 0;
    wire.say(open);
    await expectRefused(victim, wire, "session.version");
  });
});
