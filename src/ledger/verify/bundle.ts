/**
 * Proof bundles: everything that somebody needs to check a claim about the log without asking anybody
 * (docs/protocol.md, "Proof bundle"). This module has the JSON format, version 1, and trusts nothing: its
 * reader is strict (unknown, missing and repeated keys, other spellings of the same bytes and everything
 * over a limit are refused) and says nothing about whether the proof is right. That is verify-bundle.ts.
 *
 * Pure and browser-safe.
 */
import { toHex } from "../../crypto/bytes.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { BATCH_CORE_BYTES } from "../batch.ts";
import { HEADER_BYTES } from "../block.ts";
import { CHAIN_ID } from "../genesis.ts";
import {
  hexAt,
  integerAt,
  listAt,
  objectAt,
  parseStrictJson,
  textAt,
  Wrong,
} from "../strict-json.ts";
import type { Hash } from "../types.ts";
import { bytesAt, toBase64url } from "./base64url.ts";

export const BUNDLE_FORMAT = "tetrad-proof";
export const BUNDLE_VERSION = 1;

/**
 * One epoch of the chain of trust. Every link but the last holds the epoch's boundary header, which names
 * the set of the next; the last holds the header that the claim is about.
 */
export type ProofLink = {
  /** Encoding of the epoch's validator set: what its hash is taken over. */
  readonly set: Uint8Array;
  /** 288 bytes. */
  readonly header: Uint8Array;
  /** The header's own finalization certificate. */
  readonly certificate: Uint8Array;
};

export type EventProof = {
  /** The leaf of the log: index, height, batch, outcome, effects and the event's bytes. */
  readonly leaf: Uint8Array;
  /** Siblings from the leaf to the header's log root, lowest first. */
  readonly path: readonly Hash[];
  /** Siblings from the event to its batch's root, lowest first; empty where authorship is not claimed. */
  readonly batchPath: readonly Hash[];
};

/** What a batch's author signed, once for all events of the batch that the bundle has. */
export type BatchProof = {
  readonly core: Uint8Array;
  readonly signature: Uint8Array;
  readonly publicKey: Uint8Array;
};

/** One entry of the list that a state root is the hash of. */
export type ProjectionRoot = {
  readonly name: string;
  readonly schemaVersion: number;
  readonly root: Hash;
};

export type RowProof = {
  readonly key: Uint8Array;
  /** The stored row (u64 origin, value); undefined: the claim is that there is none. */
  readonly row: Uint8Array | undefined;
  /** state-proof.ts. */
  readonly proof: Uint8Array;
};

export type Claim =
  /** These events are in the log. */
  | {
      readonly kind: "events";
      readonly events: readonly EventProof[];
      readonly batches: readonly BatchProof[];
    }
  /** These leaves stand in the log one after the other: no event between them is left out. */
  | {
      readonly kind: "range";
      readonly leaves: readonly Uint8Array[];
      /** The complete subtrees of the log before the first leaf, largest first (compact-range.ts). */
      readonly before: readonly Hash[];
      /** Siblings from the last leaf to the header's log root, lowest first. */
      readonly path: readonly Hash[];
    }
  /** The log as the header has it ends before this index. */
  | { readonly kind: "no-event"; readonly index: number }
  /** These keys have these rows, or none, in the state that the header commits to. */
  | {
      readonly kind: "rows";
      readonly projection: string;
      readonly projections: readonly ProjectionRoot[];
      /** Strictly ascending by key. */
      readonly rows: readonly RowProof[];
    };

export type Bundle = {
  readonly chainId: string;
  /** Which chain it is said to be of: compared with what is trusted, never trusted itself. */
  readonly genesisHash: Hash;
  /** One an epoch, ascending without a gap; at least one. */
  readonly links: readonly ProofLink[];
  readonly claim: Claim;
};

/** What JSON can hold of a bundle. */
export type BundleJson = {
  readonly format: typeof BUNDLE_FORMAT;
  readonly version: typeof BUNDLE_VERSION;
  readonly chainId: string;
  readonly genesisHash: string;
  readonly links: readonly { readonly [key in keyof ProofLink]: string }[];
  readonly claim: ClaimJson;
};

export type ClaimJson =
  | {
      readonly kind: "events";
      readonly events: readonly { readonly [key in keyof EventProof]: string }[];
      readonly batches: readonly { readonly [key in keyof BatchProof]: string }[];
    }
  | {
      readonly kind: "range";
      readonly leaves: readonly string[];
      readonly before: string;
      readonly path: string;
    }
  | { readonly kind: "no-event"; readonly index: number }
  | {
      readonly kind: "rows";
      readonly projection: string;
      readonly projections: readonly {
        readonly name: string;
        readonly schemaVersion: number;
        readonly root: string;
      }[];
      readonly rows: readonly {
        readonly key: string;
        readonly row: string | null;
        readonly proof: string;
      }[];
    };

/** The path of a leaf among up to 2^53, and the complete subtrees of so many. */
const PATH_MAX = 53;
/** The path of an event among the 1024 of a batch. */
const BATCH_PATH_MAX = 10;
const HASH_BYTES = 32;
/** u64 epoch, u16 n, and of each validator id, length, key and weight. */
const SET_BYTES_MAX = 10 + LIMITS.validatorsMax * (44 + LIMITS.falconPublicKeyBytes);
const CERTIFICATE_BYTES_MAX =
  51 + Math.ceil(LIMITS.validatorsMax / 8) + LIMITS.validatorsMax * LIMITS.falconSignatureBytes;
/** state-proof.ts: its head, the bitmap, 256 siblings and another key's leaf. */
const STATE_PROOF_BYTES_MAX = 4 + 32 + 256 * HASH_BYTES + 64;
const ROW_BYTES_MAX = 8 + LIMITS.rowValueBytesMax;
const NAME = /^[a-z0-9]+([.-][a-z0-9]+)*$/;

/** The JSON value of a bundle; JSON.stringify of it is the bundle's text. */
export const bundleJson = (bundle: Bundle): BundleJson => ({
  format: BUNDLE_FORMAT,
  version: BUNDLE_VERSION,
  chainId: bundle.chainId,
  genesisHash: toHex(bundle.genesisHash),
  links: bundle.links.map(linkJson),
  claim: claimJson(bundle.claim),
});

/** The JSON value of one link: nodes keep those of past epochs, which never change. */
export const linkJson = (link: ProofLink): { readonly [key in keyof ProofLink]: string } => ({
  set: toBase64url(link.set),
  header: toBase64url(link.header),
  certificate: toBase64url(link.certificate),
});

const pathJson = (path: readonly Hash[]): string => {
  const bytes = new Uint8Array(path.length * HASH_BYTES);
  path.forEach((hash, at) => {
    bytes.set(hash, at * HASH_BYTES);
  });
  return toBase64url(bytes);
};

export const claimJson = (claim: Claim): ClaimJson => {
  if (claim.kind === "no-event") return { kind: "no-event", index: claim.index };
  if (claim.kind === "range") {
    const { leaves, before, path } = claim;
    return {
      kind: "range",
      leaves: leaves.map(toBase64url),
      before: pathJson(before),
      path: pathJson(path),
    };
  }
  if (claim.kind === "events") {
    return {
      kind: "events",
      events: claim.events.map(({ leaf, path, batchPath }) => ({
        leaf: toBase64url(leaf),
        path: pathJson(path),
        batchPath: pathJson(batchPath),
      })),
      batches: claim.batches.map(({ core, signature, publicKey }) => ({
        core: toBase64url(core),
        signature: toBase64url(signature),
        publicKey: toBase64url(publicKey),
      })),
    };
  }
  return {
    kind: "rows",
    projection: claim.projection,
    projections: claim.projections.map(({ name, schemaVersion, root }) => ({
      name,
      schemaVersion,
      root: toHex(root),
    })),
    rows: claim.rows.map(({ key, row, proof }) => ({
      key: toBase64url(key),
      row: row === undefined ? null : toBase64url(row),
      proof: toBase64url(proof),
    })),
  };
};

/** The one line of text of a bundle, with a newline at the end. */
export const formatBundle = (bundle: Bundle): string => `${JSON.stringify(bundleJson(bundle))}\n`;

/**
 * Reads a bundle from text that nobody vouches for. Codes: proof.version for a format that this version
 * does not know, proof.malformed for everything else that is not a bundle.
 */
export const parseBundle = (text: string): Result<Bundle> => {
  if (text.length > LIMITS.proofTextMax) {
    return fail("proof.malformed", `the text is over ${LIMITS.proofTextMax} characters`);
  }
  return refusing(() => readBundle(parseStrictJson(text)));
};

/**
 * Reads a bundle from a value that JSON was parsed to, or MessagePack. The same as `parseBundle`, but for
 * repeated keys, which a parsed value cannot show any more.
 */
export const decodeBundle = (json: unknown): Result<Bundle> => refusing(() => readBundle(json));

class UnknownVersion extends Error {}

function refusing<T>(read: () => T): Result<T> {
  try {
    return ok(read());
  } catch (error) {
    if (error instanceof Wrong) {
      return fail("proof.malformed", `${error.path || "bundle"}: ${error.message}`);
    }
    if (error instanceof UnknownVersion) return fail("proof.version", error.message);
    if (error instanceof SyntaxError) return fail("proof.malformed", `not JSON: ${error.message}`);
    throw error;
  }
}

function readBundle(json: unknown): Bundle {
  checkVersion(json);
  const root = objectAt("", json, [
    "format",
    "version",
    "chainId",
    "genesisHash",
    "links",
    "claim",
  ]);
  const chainId = textAt("chainId", root.chainId, CHAIN_ID, LIMITS.chainIdBytesMax);
  const genesisHash = hexAt("genesisHash", root.genesisHash, HASH_BYTES);
  const links = listAt("links", root.links, 1, LIMITS.proofLinksMax).map((value, i) =>
    readLink(`links[${i}]`, value),
  );
  return { chainId, genesisHash, links, claim: readClaim(root.claim) };
}

/** A later version may have other keys, so the version is looked at before them. */
function checkVersion(json: unknown): void {
  if (typeof json !== "object" || json === null || !("format" in json)) {
    throw new Wrong("", "expected a proof bundle");
  }
  if (json.format !== BUNDLE_FORMAT) throw new Wrong("format", `expected "${BUNDLE_FORMAT}"`);
  const version = "version" in json ? json.version : undefined;
  if (version === BUNDLE_VERSION) return;
  if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 1) {
    throw new Wrong("version", "expected a whole number");
  }
  throw new UnknownVersion(`version ${version} of the format; this program knows 1`);
}

function readLink(path: string, value: unknown): ProofLink {
  const from = objectAt(path, value, ["set", "header", "certificate"]);
  return {
    set: bytesAt(`${path}.set`, from.set, 10, SET_BYTES_MAX),
    header: bytesAt(`${path}.header`, from.header, HEADER_BYTES),
    certificate: bytesAt(`${path}.certificate`, from.certificate, 52, CERTIFICATE_BYTES_MAX),
  };
}

function readClaim(value: unknown): Claim {
  const kind =
    typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
  if (kind === "events") return readEvents(value);
  if (kind === "range") return readRange(value);
  if (kind === "rows") return readRows(value);
  if (kind !== "no-event")
    throw new Wrong("claim.kind", "expected events, range, no-event or rows");
  const { index } = objectAt("claim", value, ["kind", "index"]);
  return { kind, index: integerAt("claim.index", index, 0, Number.MAX_SAFE_INTEGER) };
}

function readEvents(value: unknown): Claim {
  const from = objectAt("claim", value, ["kind", "events", "batches"]);
  const events = listAt("claim.events", from.events, 1, LIMITS.proofItemsMax);
  const batches = listAt("claim.batches", from.batches, 0, LIMITS.proofItemsMax);
  return {
    kind: "events",
    events: events.map((one, i) => {
      const path = `claim.events[${i}]`;
      const event = objectAt(path, one, ["leaf", "path", "batchPath"]);
      return {
        leaf: bytesAt(`${path}.leaf`, event.leaf, 88, LIMITS.leafBytesMax),
        path: hashesAt(`${path}.path`, event.path, PATH_MAX),
        batchPath: hashesAt(`${path}.batchPath`, event.batchPath, BATCH_PATH_MAX),
      };
    }),
    batches: batches.map((one, i) => {
      const path = `claim.batches[${i}]`;
      const batch = objectAt(path, one, ["core", "signature", "publicKey"]);
      return {
        core: bytesAt(`${path}.core`, batch.core, BATCH_CORE_BYTES),
        signature: bytesAt(`${path}.signature`, batch.signature, LIMITS.falconSignatureBytes),
        publicKey: bytesAt(`${path}.publicKey`, batch.publicKey, LIMITS.falconPublicKeyBytes),
      };
    }),
  };
}

function readRange(value: unknown): Claim {
  const from = objectAt("claim", value, ["kind", "leaves", "before", "path"]);
  const leaves = listAt("claim.leaves", from.leaves, 1, LIMITS.proofItemsMax);
  return {
    kind: "range",
    leaves: leaves.map((leaf, i) => bytesAt(`claim.leaves[${i}]`, leaf, 88, LIMITS.leafBytesMax)),
    before: hashesAt("claim.before", from.before, PATH_MAX),
    path: hashesAt("claim.path", from.path, PATH_MAX),
  };
}

function readRows(value: unknown): Claim {
  const from = objectAt("claim", value, ["kind", "projection", "projections", "rows"]);
  const nameAt = (path: string, name: unknown): string =>
    textAt(path, name, NAME, LIMITS.nameBytesMax);
  const projections = listAt("claim.projections", from.projections, 1, LIMITS.projectionsMax);
  const rows = listAt("claim.rows", from.rows, 0, LIMITS.proofItemsMax);
  return {
    kind: "rows",
    projection: nameAt("claim.projection", from.projection),
    projections: projections.map((one, i) => {
      const path = `claim.projections[${i}]`;
      const projection = objectAt(path, one, ["name", "schemaVersion", "root"]);
      return {
        name: nameAt(`${path}.name`, projection.name),
        schemaVersion: integerAt(`${path}.schemaVersion`, projection.schemaVersion, 0, 0xffff),
        root: hexAt(`${path}.root`, projection.root, HASH_BYTES),
      };
    }),
    rows: rows.map((one, i) => {
      const path = `claim.rows[${i}]`;
      const row = objectAt(path, one, ["key", "row", "proof"]);
      return {
        key: bytesAt(`${path}.key`, row.key, 1, LIMITS.rowKeyBytesMax),
        row: row.row === null ? undefined : bytesAt(`${path}.row`, row.row, 8, ROW_BYTES_MAX),
        proof: bytesAt(`${path}.proof`, row.proof, 4, STATE_PROOF_BYTES_MAX),
      };
    }),
  };
}

/** Hashes one after the other, as one text. */
function hashesAt(path: string, value: unknown, max: number): Hash[] {
  const bytes = bytesAt(path, value, 0, max * HASH_BYTES);
  if (bytes.length % HASH_BYTES !== 0) throw new Wrong(path, "expected whole hashes");
  const hashes: Hash[] = [];
  for (let at = 0; at < bytes.length; at += HASH_BYTES) {
    hashes.push(bytes.subarray(at, at + HASH_BYTES));
  }
  return hashes;
}
