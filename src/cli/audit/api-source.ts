/**
 * A node's API as the source of an audit. Whatever it answers is only bytes to be checked: sizes here,
 * everything else by the audit.
 */
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { type AuditItem, decodeItems } from "../../ledger/audit/item.ts";
import { LIMITS } from "../../limits.ts";
import type { AuditSource } from "../../node/audit/auditor.ts";
import type { StatedRoots } from "../../node/audit/tell-projection.ts";

/** What a node says of itself, to be held against what the audit works out. */
export type NodeClaim = {
  readonly genesisHash: string;
  readonly finalHeight: number;
  readonly executedHeight: number;
  readonly logSize: number;
  readonly logRoot: string;
  readonly stateRoot: string;
};

/** The first block of an answer goes whatever its size; nothing that is valid is longer. */
const ANSWER_BYTES_MAX =
  LIMITS.auditBytesMax + LIMITS.blockBytesMax + LIMITS.certificateBytesMax + 1024 * 1024;
const STATUS_BYTES_MAX = 1024 * 1024;
/** A block as JSON holds its bytes as base64 and the digests of its batches in hex. */
const BLOCK_JSON_BYTES_MAX = STATUS_BYTES_MAX + 4 * LIMITS.blockBytesMax;

export type ApiSource = AuditSource & {
  /** Throws as `read`. */
  claim(signal: AbortSignal): Promise<NodeClaim>;
};

/** Throws cli.usage for an address that is none. Reading throws cli.unreachable. */
export const openApiSource = (base: string): ApiSource => {
  const url = URL.canParse(base) ? new URL(base) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new TetradError("cli.usage", `"${base}" is not an API address like http://[::1]:8440`);
  }
  const { origin } = url;
  return {
    name: origin,
    async read(from, signal): Promise<readonly AuditItem[]> {
      const path = `/v1/audit/blocks?from=${from}`;
      const bytes = await fetchBytes(origin, path, ANSWER_BYTES_MAX, signal);
      const decoded = decodeItems(bytes);
      if (!decoded.ok) {
        throw new TetradError("store.corrupt", `${origin}${path}: ${decoded.detail}`, {
          height: from,
        });
      }
      if (decoded.value.from !== from) {
        throw new TetradError("store.corrupt", `${origin}${path} answers another height`, {
          height: from,
        });
      }
      return decoded.value.items;
    },
    async rootsAt(height, signal): Promise<StatedRoots | undefined> {
      const bytes = await fetchBytes(origin, `/v1/blocks/${height}`, BLOCK_JSON_BYTES_MAX, signal);
      return readRoots(bytes);
    },
    async claim(signal): Promise<NodeClaim> {
      const bytes = await fetchBytes(origin, "/v1/status", STATUS_BYTES_MAX, signal);
      return readClaim(origin, bytes);
    },
  };
};

const unreachable = (origin: string, why: string): TetradError =>
  new TetradError("cli.unreachable", `${origin}: ${why}`);

const fetchBytes = async (
  origin: string,
  path: string,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Uint8Array> => {
  const limit = AbortSignal.timeout(LIMITS.httpStallMsMax);
  try {
    const response = await fetch(new URL(path, origin), {
      redirect: "error",
      signal: AbortSignal.any([signal, limit]),
    });
    const body = await readBounded(response, bytesMax);
    if (body === undefined) throw unreachable(origin, `${path} is over ${bytesMax} bytes`);
    if (!response.ok) throw unreachable(origin, `${path} answers HTTP ${response.status}`);
    return body;
  } catch (error) {
    if (error instanceof TetradError) throw error;
    signal.throwIfAborted();
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    const text = cause instanceof Error ? cause.message : String(cause);
    throw unreachable(origin, `no answer (${text})`);
  }
};

const readBounded = async (
  response: Response,
  bytesMax: number,
): Promise<Uint8Array | undefined> => {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    // Leaving the loop cancels the rest.
    if (bytes > bytesMax) return undefined;
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
};

const readClaim = (origin: string, bytes: Uint8Array): NodeClaim => {
  let status: unknown;
  try {
    status = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    throw unreachable(origin, "its status is not JSON");
  }
  const fields = (typeof status === "object" ? status : null) as Record<string, unknown> | null;
  const text = (name: string): string => {
    const value = fields?.[name];
    if (typeof value === "string" && /^[0-9a-f]{64}$/.test(value)) return value;
    throw unreachable(origin, `its status has no ${name}`);
  };
  const whole = (name: string): number => {
    const value = fields?.[name];
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
    throw unreachable(origin, `its status has no ${name}`);
  };
  return {
    genesisHash: text("genesisHash"),
    finalHeight: whole("finalHeight"),
    executedHeight: whole("executedHeight"),
    logSize: whole("logSize"),
    logRoot: text("logRoot"),
    stateRoot: text("stateRoot"),
  };
};

/** Of a block's JSON; undefined where the node states none, or nothing that could be any. */
const readRoots = (bytes: Uint8Array): StatedRoots | undefined => {
  let block: unknown;
  try {
    block = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
  const list = (block as { executed?: { projections?: unknown } } | null)?.executed?.projections;
  if (!Array.isArray(list) || list.length > LIMITS.projectionsMax) return undefined;
  const stated: { name: string; root: Uint8Array }[] = [];
  for (const one of list as readonly unknown[]) {
    const { name, root } = (one ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof name !== "string" || typeof root !== "string") return undefined;
    if (!/^[0-9a-f]{64}$/.test(root)) return undefined;
    stated.push({ name, root: fromHex(root) });
  }
  return stated;
};

/** Which of a node's words is not what executing the same height gives; undefined when all are. */
export const wrongWord = (
  claim: NodeClaim,
  record: {
    readonly logSize: number;
    readonly logRoot: Uint8Array;
    readonly stateRoot: Uint8Array;
  },
): "logSize" | "logRoot" | "stateRoot" | undefined => {
  if (claim.logSize !== record.logSize) return "logSize";
  if (claim.logRoot !== toHex(record.logRoot)) return "logRoot";
  return claim.stateRoot === toHex(record.stateRoot) ? undefined : "stateRoot";
};
