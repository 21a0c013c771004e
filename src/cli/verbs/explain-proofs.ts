/**
 * What `nexus explain` says of the four proofs of an event: what its batch and block carry, what of that was
 * checked here, in which time, and what is left to the validators, who check all of it before they vote.
 */
import type { ApiClient, StatusJson } from "../../client/api.ts";
import { puzzleOf } from "../../client/work.ts";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { SPACE_SLOT, slotOf, WORK_SLOT } from "../../ledger/batch-proofs.ts";
import { workedBatch, workSubject } from "../../ledger/batch-work.ts";
import type { Batch, Block } from "../../ledger/types.ts";
import { firstBeacon } from "../../proofs/beacon/beacon.ts";
import { decodeWorkProof, verifyWork } from "../../proofs/work/index.ts";
import type { CliContext } from "../context.ts";
import type { Cell } from "../output.ts";

export type Proven = {
  readonly client: ApiClient;
  readonly status: StatusJson;
  readonly batch: Batch;
  readonly block: Block;
  /** The proposer's weight in the set of its epoch, where it is known. */
  readonly weight: string;
};

/** The beacon of a height as the node tells it; undefined where it has none. */
const beaconOf = async (
  context: CliContext,
  { client, status }: Proven,
  height: number,
): Promise<Uint8Array | undefined> => {
  if (height === 0) return firstBeacon(createHasher(status.chainId), fromHex(status.genesisHash));
  const found = await client.get(`/v1/blocks/${height}`, {}, context.signal);
  const { beacon } = found as { readonly beacon?: { readonly value: string } | null };
  return beacon == null ? undefined : fromHex(beacon.value);
};

const workText = async (context: CliContext, proven: Proven): Promise<string> => {
  const { batch, status } = proven;
  const slot = slotOf(batch.proofs, WORK_SLOT);
  if (slot === undefined) {
    return status.work == null ? "none: the chain asks for none" : "none, though the chain asks";
  }
  if (status.work == null) return `${slot.bytes.length} bytes, for which the chain does not ask`;
  const puzzle = puzzleOf(status.work.puzzle);
  const proof = decodeWorkProof(puzzle, slot.bytes);
  if (!proof.ok) return `not a proof of this chain: ${proof.detail}`;
  const { effort } = proof.value;
  const beacon = await beaconOf(context, proven, batch.refHeight);
  if (beacon === undefined) {
    return `effort ${effort}, ${puzzle.kind}; not checked here: the node has no beacon of height ${batch.refHeight}`;
  }
  const subject = workSubject(workedBatch(batch), { beacon, price: 0n });
  const beganMs = performance.now();
  // What the price asked for is known to the validators; here it is held against the effort that it states.
  const checked = verifyWork(createHasher(status.chainId), puzzle, subject, slot.bytes, effort);
  const took = `${(performance.now() - beganMs).toFixed(2)} ms`;
  const what = `${puzzle.kind} for this batch and the beacon of height ${batch.refHeight}`;
  return checked.ok
    ? `effort ${effort}, ${what}: right, checked here in ${took}; that the price asked for no more, by validators`
    : `effort ${effort}, ${what}: WRONG (${checked.code}: ${checked.detail})`;
};

const spaceText = ({ batch, block }: Proven): string => {
  const slot = slotOf(batch.proofs, SPACE_SLOT);
  const openings = block.proofs.openings.length;
  const proposer = openings === 0 ? "" : `; the proposer opened its own in ${openings} bytes`;
  if (slot === undefined) return `none: no host was asked for${proposer}`;
  const host = toHex(slot.bytes.subarray(0, 32));
  return `an opening of a sector of host ${host}, ${slot.bytes.length} bytes, checked by validators${proposer}`;
};

const stakeText = ({ status, weight, block }: Proven): string => {
  const rule =
    status.stake == null
      ? "powers are the weights of the genesis, and there is no stake to lose"
      : "powers follow stake and proofs, of the set of the epoch";
  return `the proposer has ${weight} in epoch ${block.header.epoch} or as of now; ${rule}`;
};

const timeText = ({ batch, block }: Proven): string =>
  `after height ${batch.refHeight}, which the batch names, and place ${batch.laneSeq} of its lane; the block's time is the ` +
  `proposer's clock within the voters' limits; view ${block.header.view}`;

const beaconText = ({ block, status }: Proven): string => {
  const { length } = block.proofs.reveal;
  if (length > 0)
    return `the proposer revealed its value of height ${block.header.height} in ${length} bytes`;
  return status.beacon == null
    ? "none: the chain has no beacon"
    : "nothing revealed: no key of the proposer covers the height";
};

/** The four proofs and the beacon of an event, in words. Throws what the node answers. */
export const explainProofs = async (
  context: CliContext,
  proven: Proven,
): Promise<Readonly<Record<string, Cell>>> => {
  try {
    return {
      stake: stakeText(proven),
      space: spaceText(proven),
      work: await workText(context, proven),
      time: timeText(proven),
      beacon: beaconText(proven),
    };
  } catch (error) {
    if (error instanceof TetradError) throw error;
    throw new TetradError("client.bad-answer", `the proofs do not read: ${String(error)}`);
  }
};
