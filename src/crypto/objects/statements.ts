/**
 * What is signed about objects (docs/protocol.md, "Objects"), each under a tag of its own and for one chain: that a
 * node serves a manifest, and that an actor has a node keep an object or give it up. Bytes of strangers; pure.
 */

import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { DecodeError, Reader, Writer } from "../codec.ts";
import { type Hasher, sha256 } from "../hash.ts";
import { manifestBytes } from "./manifest.ts";

/** The 32 bytes that a node signs when it serves this manifest under this name. `server` is its id. */
export const manifestStatement = (
  hasher: Hasher,
  server: Uint8Array,
  root: Uint8Array,
  manifest: Uint8Array,
): Uint8Array => hasher.ht("object/manifest", server, root, sha256(manifest));

export const ORDER_VERSION = 1;
const ACTION = { keep: 1, drop: 2 } as const;

/** What an actor has one node do with an object. */
export type ObjectOrder = {
  readonly action: "keep" | "drop";
  readonly actor: Uint8Array;
  /** Id of the node that it is for. */
  readonly node: Uint8Array;
  readonly root: Uint8Array;
  /** Not taken after this time, milliseconds since 1970. */
  readonly notAfterMs: number;
  /** Of an object to keep; empty for one to drop. */
  readonly manifest: Uint8Array;
};

export type SignedOrder = ObjectOrder & { readonly signature: Uint8Array };

const writeOrder = (writer: Writer, order: ObjectOrder): Writer =>
  writer
    .u16(ORDER_VERSION)
    .u8(ACTION[order.action])
    .hash(order.actor)
    .hash(order.node)
    .hash(order.root)
    .u64(order.notAfterMs)
    .bytes(order.manifest);

/** The 32 bytes that the actor signs. */
export const orderStatement = (hasher: Hasher, order: ObjectOrder): Uint8Array =>
  hasher.ht("object/order", writeOrder(new Writer(), order).finish());

export const encodeOrder = (order: SignedOrder): Uint8Array =>
  writeOrder(new Writer(order.manifest.length + 2048), order)
    .fixed(order.signature, LIMITS.falconSignatureBytes)
    .finish();

/** Codes: encoding.malformed, encoding.version. The signature is not checked. */
export const decodeOrder = (bytes: Uint8Array): Result<SignedOrder> => {
  try {
    const reader = new Reader(bytes);
    const version = reader.u16();
    if (version !== ORDER_VERSION) return fail("encoding.version", `order ${version}`);
    const kind = reader.u8();
    const order = {
      action: kind === ACTION.keep ? ("keep" as const) : ("drop" as const),
      actor: reader.hash().slice(),
      node: reader.hash().slice(),
      root: reader.hash().slice(),
      notAfterMs: reader.u64(),
      manifest: reader.bytes(manifestBytes(LIMITS.objectBytesMax)).slice(),
      signature: reader.fixed(LIMITS.falconSignatureBytes).slice(),
    };
    reader.end();
    const fits = kind === ACTION.drop ? order.manifest.length === 0 : kind === ACTION.keep;
    return fits ? ok(order) : fail("encoding.malformed", `no order of kind ${kind}`);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return fail("encoding.malformed", error.message);
  }
};
