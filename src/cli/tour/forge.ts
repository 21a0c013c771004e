/** What somebody would have to do who wants other words under the operator's name, and cannot. */

import type { ApiClient } from "../../client/api.ts";
import { doWork, workTask } from "../../client/work.ts";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { actorId, buildBatch, sealBatch } from "../../ledger/batch.ts";
import type { CliContext } from "../context.ts";
import { operatorKeyPath } from "../dev/record.ts";
import { recordEvent } from "../events-input.ts";
import { openSigningKey } from "../key.ts";

/**
 * The bytes of a batch that is right in everything but one: the operator has signed `signed`, and the batch
 * says `claimed`, with every hash made anew. Nothing is sent.
 */
export const forgeBatch = async (
  context: CliContext,
  dir: string,
  client: ApiClient,
  record: string,
  words: { readonly signed: string; readonly claimed: string },
): Promise<Uint8Array> => {
  const key = await openSigningKey(operatorKeyPath(dir), {}, (text) => context.note(text));
  const status = await client.status(context.signal);
  const hasher = createHasher(status.chainId);
  const actor = actorId(hasher, key.publicKey);
  const lane = await client.lane(toHex(actor), context.signal);
  const place = {
    actor,
    laneSeq: lane.pendingSeq + 1,
    prevBatchId: fromHex(lane.pendingId),
    refHeight: status.refHeight,
    refHash: fromHex(status.refHash),
  };
  const build = (body: string) =>
    buildBatch(hasher, { ...place, events: [recordEvent(record, body, dir)] });
  const signature = await key.sign(build(words.signed).signingMessage);
  const claimed = build(words.claimed);
  // Work is for the batch as it is shown: without it nobody would look at the signature.
  const task = workTask(status.chainId, undefined, status.work, claimed);
  const proofs = task === undefined ? [] : [await doWork(task, {}, context.signal)];
  return sealBatch(hasher, claimed, signature, proofs).bytes;
};
