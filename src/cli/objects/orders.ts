/** Orders about objects: signed with the key of a command, for the node that it talks to. */
import type { ApiClient } from "../../client/api.ts";
import { fromHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { actorId } from "../../ledger/batch.ts";
import { LIMITS } from "../../limits.ts";
import { realClock } from "../../node/real-ports.ts";
import {
  encodeOrder,
  type ObjectOrder,
  orderStatement,
} from "../../transport/objects/statements.ts";
import type { CliContext } from "../context.ts";
import { openSigningKey } from "../key.ts";

/** Long enough to put a large object again where it was interrupted, short enough to be of no use later. */
const VALID_MS = LIMITS.objectOrderMsMax / 2;

/** Signs for the chain of the folder's genesis where there is one; folder.foreign where the node is of another. */
export const signOrder = async (
  context: CliContext,
  client: ApiClient,
  keyFlag: string | undefined,
  wanted: Pick<ObjectOrder, "action" | "root" | "manifest">,
): Promise<Uint8Array> => {
  const { nodeId, chainId } = await client.status(context.signal);
  const own = context.signedChain();
  if (own !== undefined && own.chainId !== chainId) {
    const detail = `a node of chain ${chainId} answers at ${client.base}, not of ${own.chainId}`;
    throw new TetradError("folder.foreign", detail);
  }
  const hasher = createHasher(chainId);
  const note = (text: string): void => context.note(text);
  const key = await openSigningKey(context.keyFile(keyFlag), context.env, note);
  const order: ObjectOrder = {
    ...wanted,
    actor: actorId(hasher, key.publicKey),
    node: fromHex(nodeId),
    notAfterMs: Math.round(realClock.wallMs() + VALID_MS),
  };
  return encodeOrder({ ...order, signature: await key.sign(orderStatement(hasher, order)) });
};
