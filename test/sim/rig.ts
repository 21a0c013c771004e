/** A checker with a world of four members around it, of which slot 3 lies, and the frames to show it. */
import { HEADER_BYTES, statementBytes } from "../../sim/checkers/decode.ts";
import { hex, taggedHash } from "../../sim/checkers/oracle.ts";
import type {
  CheckContext,
  Checker,
  CheckerFactory,
  Dump,
  Entry,
  Member,
  Row,
} from "../../sim/checkers/types.ts";
import { statusWith, toHex } from "./support.ts";

export const CHAIN = "tetrad-test";
export const GENESIS: Uint8Array = new Uint8Array(32).fill(7);
export const ZERO: string = "00".repeat(32);

export const MEMBERS: readonly Member[] = [0, 1, 2, 3].map((index) => ({
  index,
  slot: index,
  idHex: String(index).padStart(64, "0"),
  publicKey: Uint8Array.of(index),
  weight: 1n,
}));

export type Rig = {
  readonly checker: Checker;
  /** Ids of what was reported. */
  readonly found: string[];
  readonly details: string[];
  readonly marks: string[];
  nowUs: number;
  /** By slot: where a node is, undefined while it takes no frames. At first in the view of which most tests speak. */
  standing: Standing[];
};

type Standing = ReturnType<CheckContext["standing"]>;

export const createRig = (factory: CheckerFactory, part: Partial<CheckContext> = {}): Rig => {
  const told = { found: [] as string[], details: [] as string[], marks: [] as string[] };
  const standing = MEMBERS.map((): Standing => ({ epoch: 0, view: 5 }));
  const rig = { nowUs: 0, ...told, standing };
  const context: CheckContext = {
    chainId: CHAIN,
    genesisHash: GENESIS,
    genesisTimeMs: 0,
    epochMs: 3_600_000,
    members: MEMBERS,
    honest: (slot) => slot < 3,
    asked: () => true,
    haltedMs: [],
    memberOf: (slot) => MEMBERS[slot],
    standing: (slot) => rig.standing[slot],
    verify: () => true,
    nowUs: () => rig.nowUs,
    wallMs: () => Math.floor(rig.nowUs / 1000),
    report: (id, detail) => {
      rig.found.push(id);
      rig.details.push(detail);
    },
    mark: (name) => rig.marks.push(name),
    ...part,
  };
  return Object.assign(rig, { checker: factory(context) });
};

export type BlockSpec = {
  readonly epoch?: number;
  readonly view: number;
  readonly height: number;
  readonly parent?: string;
  readonly parentView?: number;
  readonly timeMs?: number;
  readonly nextSet?: string;
  readonly proposer?: number;
};

const u = (value: number, bytes: 1 | 2 | 4 | 8): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(value));
  return out.subarray(8 - bytes);
};

export const headerOf = (spec: BlockSpec): Buffer => {
  const { epoch = 0, view, height, parent = hex(GENESIS), timeMs = height, nextSet = ZERO } = spec;
  const header = Buffer.alloc(HEADER_BYTES);
  const at34 = [
    u(epoch, 8),
    u(view, 8),
    u(height, 8),
    u(spec.parentView ?? 0, 8),
    Buffer.from(parent, "hex"),
  ];
  header.set(Buffer.concat([...at34, u(timeMs, 8)]), 34);
  header.write(nextSet, HEADER_BYTES - 34, "hex");
  header.set(u(spec.proposer ?? 0, 2), HEADER_BYTES - 2);
  return header;
};

export const hashOf = (spec: BlockSpec): string => hex(taggedHash(CHAIN, "header", headerOf(spec)));

export type Said = {
  readonly view: number;
  readonly kind: number;
  readonly hash?: string;
  readonly epoch?: number;
};

/** The fields of a vote: statement, signer, room for the signature. */
const voteOf = ({ epoch = 0, view, kind, hash = ZERO }: Said, signer: number): Buffer =>
  Buffer.concat([
    ...[u(epoch, 8), u(view, 8), u(kind, 1), Buffer.from(hash, "hex"), u(signer, 2)],
    Buffer.alloc(1280),
  ]);

const sized = (bytes: Uint8Array): Buffer => Buffer.concat([u(bytes.length, 4), bytes]);

export const voteFrame = (said: Said, signer: number): Uint8Array =>
  Buffer.concat([u(2, 1), voteOf(said, signer)]);

export const proposalFrame = (spec: BlockSpec): Uint8Array => {
  const said = { ...spec, kind: 1, hash: hashOf(spec) };
  const vote = sized(voteOf(said, spec.proposer ?? 0));
  return Buffer.concat([u(1, 1), vote, u(0, 8), sized(headerOf(spec))]);
};

/** A certificate with room for the signatures of these. */
export const certificateFrame = (
  { epoch = 0, view, kind, hash = ZERO }: Said,
  signers: readonly number[] = [0, 1, 2],
): Uint8Array =>
  Buffer.concat([
    ...[u(3, 1), u(epoch, 8), u(view, 8), u(kind, 1), Buffer.from(hash, "hex"), u(4, 2)],
    u(
      signers.reduce((bits, signer) => bits | (1 << signer), 0),
      1,
    ),
    Buffer.alloc(signers.length * 1280),
  ]);

export const say = (rig: Rig, slot: number, { epoch = 0, view, kind, hash = ZERO }: Said): void => {
  const message = statementBytes(CHAIN, { epoch, view, kind, hash });
  rig.checker.signed?.(slot, message, new Uint8Array(1280));
  rig.checker.released?.(slot, message, new Uint8Array(1280));
};

/** The row of a certificate that becomes durable. */
export const keep = (rig: Rig, slot: number, view: number, kind: number, epoch = 0): void => {
  const key = Buffer.concat([Buffer.from("c/"), u(epoch, 8), u(view, 8), u(kind, 1)]);
  rig.checker.durable?.(slot, "data", [{ key, value: new Uint8Array(0) }]);
};

export type EventSpec = {
  readonly type: string;
  readonly payload: Uint8Array;
  readonly height?: number;
  readonly batch?: string;
  readonly refusedWith?: string;
};

const entryOf = (spec: EventSpec, index: number): Entry => ({
  index,
  height: spec.height ?? index + 1,
  batchId: spec.batch ?? `batch ${index}`,
  position: 0,
  refusedWith: spec.refusedWith ?? "",
  effectsHash: new Uint8Array(32),
  eventType: spec.type,
  eventBytes: Buffer.concat([
    ...[u(spec.type.length, 2), Buffer.from(spec.type), u(1, 2)],
    sized(spec.payload),
  ]),
});

/** What node 0 shows at the end. The block of a height is of so many seconds. */
export const dumpOf = (
  events: readonly EventSpec[],
  rows: Readonly<Record<string, readonly Row[]>> = {},
): Dump => {
  const entries = events.map(entryOf);
  const top = Math.max(0, ...entries.map(({ height }) => height));
  return {
    slot: 0,
    status: statusWith({ finalHeight: top, executedHeight: top, logSize: entries.length }),
    entries,
    timesMs: Array.from({ length: top + 1 }, (_, height) => height * 1000),
    rows: new Map(Object.entries(rows)),
  };
};

/** Whoever wrote a batch: the id of its actor in hex. */
export const wrote = (rig: Rig, batchIdHex: string, actorHex: string): void =>
  rig.checker.submitted?.(0, {
    ...{ actorHex, laneSeq: 1, batchIdHex },
    ...{ eventCount: 1, bytes: 1_500 },
  });

export const bytesOf = (...parts: readonly (Uint8Array | string | number)[]): Uint8Array =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === "number"
        ? u(part, 8)
        : typeof part === "string"
          ? Buffer.from(part, "hex")
          : part,
    ),
  );

export { sized, toHex };
