/**
 * What `nexus explain` says of the four proofs of an event: what its batch and block carry, what of that was
 * checked here, in which time, and what is left to the validators, who check all of it before they vote.
 */
import type { ApiClient, JsonObject, StatusJson } from "../../client/api.ts";
import { puzzleOf } from "../../client/work.ts";
import { equalBytes, fromHex, toHex, ZERO_HASH } from "../../crypto/bytes.ts";
import { Reader } from "../../crypto/codec.ts";
import { falconVerify } from "../../crypto/falcon.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { batchSigningMessage } from "../../ledger/batch.ts";
import { SPACE_SLOT, slotOf, WORK_SLOT } from "../../ledger/batch-proofs.ts";
import { workedBatch, workSubject } from "../../ledger/batch-work.ts";
import { dueReveal } from "../../ledger/projections/beacon.ts";
import type { Batch, Block } from "../../ledger/types.ts";
import { LIMITS } from "../../limits.ts";
import { acceptReveal, firstBeacon } from "../../proofs/beacon/beacon.ts";
import type { IvrfRegistration } from "../../proofs/beacon/ivrf.ts";
import { eventChallenges } from "../../proofs/space/challenges.ts";
import { verifyOpenings } from "../../proofs/space/openings.ts";
import { checkSpaceParameters, type SpaceParameters } from "../../proofs/space/parameters.ts";
import type { SectorStatement } from "../../proofs/space/statement.ts";
import { spaceHashesOf } from "../../proofs/space/tree.ts";
import {
  batchUnits,
  decodeWorkProof,
  requiredEffort,
  verifyWork,
} from "../../proofs/work/index.ts";
import type { CliContext } from "../context.ts";
import type { Cell } from "../output.ts";

export type Proven = {
  readonly client: ApiClient;
  /** Of the event in the log. */
  readonly index: number;
  /** The hash of the block of a height, as its bytes give it. */
  blockHashAt(height: number): Promise<Uint8Array>;
  readonly status: StatusJson;
  readonly batch: Batch;
  readonly block: Block;
  /** The proposer's weight in the set of its epoch, where it is known. */
  readonly weight: string;
};

/** What the chain asks of whoever refers to a height, as the node tells it. */
type Terms = { readonly beacon: Uint8Array | undefined; readonly price: bigint | undefined };

const termsOf = async (
  context: CliContext,
  { client, status }: Proven,
  height: number,
): Promise<Terms> => {
  if (height === 0) {
    const beacon = firstBeacon(createHasher(status.chainId), fromHex(status.genesisHash));
    return { beacon, price: undefined };
  }
  const found = await client.get(`/v1/blocks/${height}`, {}, context.signal);
  const { beacon, workPrice } = found as {
    readonly beacon?: { readonly value: string } | null;
    readonly workPrice?: string | null;
  };
  return {
    beacon: beacon == null ? undefined : fromHex(beacon.value),
    price: workPrice == null ? undefined : BigInt(workPrice),
  };
};

/** A check, and how long it took here: that alone, without what had to be asked for. */
const timed = <T>(check: () => T): { readonly value: T; readonly took: string } => {
  const beganMs = performance.now();
  const value = check();
  return { value, took: `${(performance.now() - beganMs).toFixed(2)} ms` };
};

/** Undefined where the node has nothing of that name. */
const asked = async (
  context: CliContext,
  { client }: Proven,
  path: string,
  query: Readonly<Record<string, string>> = {},
): Promise<JsonObject | undefined> => {
  try {
    return await client.get(path, query, context.signal);
  } catch (error) {
    const isThere = !(error instanceof TetradError) || context.signal.aborted;
    if (isThere || !["http.not-found", "proof.pending"].includes(error.code)) throw error;
    return undefined;
  }
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
  const { beacon, price } = await termsOf(context, proven, batch.refHeight);
  if (beacon === undefined) {
    return `effort ${effort}, ${puzzle.kind}; not checked here: the node has no beacon of height ${batch.refHeight}`;
  }
  const worked = workedBatch(batch);
  const subject = workSubject(worked, { beacon, price: price ?? 0n });
  // At the first reference, which is no block, the price is the genesis's: the proof is held against what it states.
  const rule = { pricedUnits: BigInt(status.work.pricedUnits) };
  const units = batchUnits(worked.eventCount, worked.eventBytes);
  const asks = price === undefined ? undefined : requiredEffort(rule, price, units);
  const { value: checked, took } = timed(() =>
    verifyWork(createHasher(status.chainId), puzzle, subject, slot.bytes, asks ?? effort),
  );
  const asked = asks === undefined ? "" : `, of ${asks} that the price of that height asks for`;
  const what = `${puzzle.kind} for this batch and the beacon of height ${batch.refHeight}`;
  return checked.ok
    ? `effort ${effort}${asked}, ${what}: right, checked here in ${took}`
    : `effort ${effort}${asked}, ${what}: WRONG (${checked.code}: ${checked.detail})`;
};

const hexOf = (row: JsonObject, name: string): Uint8Array => fromHex(String(row[name]));

/** The parameters of the chain's row, where they are some that there can be. */
const spaceParametersOf = (row: unknown): SpaceParameters | undefined => {
  if (typeof row !== "object" || row === null) return undefined;
  const given: Partial<Record<keyof SpaceParameters, unknown>> = row;
  const at = (name: keyof SpaceParameters): number => {
    const value = given[name];
    return typeof value === "number" ? value : Number.NaN;
  };
  const checked = checkSpaceParameters({
    ...{ lgNodes: at("lgNodes"), layers: at("layers"), responseMs: at("responseMs") },
    ...{ admissionChallenges: at("admissionChallenges"), sectorOpenings: at("sectorOpenings") },
    ...{ epochOpenings: at("epochOpenings"), blockOpenings: at("blockOpenings") },
    eventOpenings: at("eventOpenings"),
  });
  return checked.ok ? checked.value : undefined;
};

/** Whether the host's opening is right, by the sector as the chain has it now. */
const openingText = async (context: CliContext, proven: Proven, slot: Uint8Array) => {
  const { batch, status } = proven;
  const reader = new Reader(slot);
  const [host, number, openings] = [reader.hash(), reader.u64(), reader.rest()];
  const path = "/v1/projections/space/";
  const key = encodeURIComponent(`${toHex(host)}/${number}`);
  const row = (await asked(context, proven, `${path}${key}`))?.["value"] as JsonObject | undefined;
  const found = await asked(context, proven, `${path}parameters`);
  const { beacon } = await termsOf(context, proven, batch.refHeight);
  if (row === undefined || found === undefined || beacon === undefined) {
    return "not checked here: the chain has no such sector any more";
  }
  const parameters = spaceParametersOf(found["value"]);
  if (parameters === undefined) return "not checked here: the node shows no parameters of space";
  const hasher = createHasher(status.chainId);
  const statement: SectorStatement = {
    ...{ validatorId: host, sectorNo: number, beacon: hexOf(row, "beacon") },
    ...{ lgNodes: parameters.lgNodes, layers: parameters.layers },
    ...{ commC: hexOf(row, "commC"), commRl: hexOf(row, "commRl") },
  };
  const place = { laneId: batch.actor, laneSeq: batch.laneSeq };
  const { value, took } = timed(() => {
    const challenges = eventChallenges(hasher, parameters, statement, place, beacon);
    const hashes = spaceHashesOf(hasher);
    return verifyOpenings(hashes, parameters.lgNodes, [statement], challenges, openings);
  });
  return value.ok
    ? `right for place ${batch.laneSeq} and the beacon of height ${batch.refHeight}, checked here in ${took}`
    : `WRONG (${value.code}: ${value.detail})`;
};

const spaceText = async (context: CliContext, proven: Proven): Promise<string> => {
  const { batch, block } = proven;
  const slot = slotOf(batch.proofs, SPACE_SLOT);
  const openings = block.proofs.openings.length;
  const proposer = openings === 0 ? "" : `; the proposer opened its own in ${openings} bytes`;
  if (slot === undefined) return `none: no host was asked for${proposer}`;
  const host = toHex(slot.bytes.subarray(0, 32));
  const checked = await openingText(context, proven, slot.bytes);
  return `an opening of a sector of host ${host}, ${slot.bytes.length} bytes: ${checked}${proposer}`;
};

/** Whether the author has signed: the key comes with the proof of the event, and is hashed here. */
const signatureText = async (context: CliContext, proven: Proven): Promise<string> => {
  const { batch, index, status } = proven;
  const query = { proof: "true", trustedEpoch: String(status.epoch) };
  const body = await asked(context, proven, `/v1/events/${index}`, query);
  const bundle = (body?.["proof"] ?? body) as JsonObject | undefined;
  const claim = bundle?.["claim"] as { readonly batches?: readonly JsonObject[] } | undefined;
  const key = claim?.batches?.[0]?.["publicKey"];
  if (typeof key !== "string")
    return "the signature is not checked here: no proof of the event yet";
  const publicKey = new Uint8Array(Buffer.from(key, "base64url"));
  const hasher = createHasher(status.chainId);
  const { value: signed, took } = timed(
    () =>
      equalBytes(hasher.ht("id", publicKey), batch.actor) &&
      falconVerify(batch.signature, batchSigningMessage(hasher, batch.id), publicKey),
  );
  return signed ? `signed by the author's key, checked here in ${took}` : "the signature is WRONG";
};

const stakeText = async (context: CliContext, proven: Proven): Promise<string> => {
  const { status, weight, block } = proven;
  const rule =
    status.stake == null
      ? "powers are the weights of the genesis, and there is no stake to lose"
      : "powers follow stake and proofs, of the set of the epoch";
  const signed = await signatureText(context, proven);
  return `${signed}; the proposer has ${weight} in epoch ${block.header.epoch} or as of now; ${rule}`;
};

const timeText = async ({ batch, block, blockHashAt }: Proven): Promise<string> => {
  const hash = await blockHashAt(batch.refHeight);
  const age = block.header.height - batch.refHeight;
  const { value: same, took } = timed(() => equalBytes(hash, batch.refHash));
  const named = same
    ? `which the batch names by its hash, checked here in ${took},`
    : "of ANOTHER CHAIN,";
  const { batchAgeBlocksMax, batchAgeMsMax } = LIMITS;
  // Past that many blocks a batch is alive until its time is over too, which takes the reference's block.
  const alive =
    age <= batchAgeBlocksMax
      ? `${age} of ${batchAgeBlocksMax} blocks before this one`
      : `${age} blocks before this one, within ${batchAgeMsMax / 1_000} s by the validators`;
  return (
    `after height ${batch.refHeight}, ${named} ${alive}, and place ${batch.laneSeq} of its lane; ` +
    `the block's time is the proposer's clock within the voters' limits; view ${block.header.view}`
  );
};

/** The keys that the chain has of a proposer for its values, oldest first; none where it has no row of them. */
const keysOf = (row: JsonObject | undefined, depth: number): readonly IvrfRegistration[] => {
  const { keys } = (row?.["value"] ?? {}) as { readonly keys?: readonly JsonObject[] };
  return (keys ?? []).map((key) => ({
    ...{ root: hexOf(key, "root"), depth, firstHeight: Number(key["firstHeight"]) },
    registeredEpoch: Number(key["usableFromEpoch"]) - LIMITS.beaconLeadEpochs,
  }));
};

/** Keys of the rows of the projection, in hex: one of the chain, and one of each validator. */
const ROWS = { depth: "00", keys: "01" } as const;

/** Whether the beacon follows from the one before and what the proposer revealed, by a key that it registered ahead. */
const revealText = async (context: CliContext, proven: Proven): Promise<string> => {
  const { block, status } = proven;
  const { height, epoch } = block.header;
  const path = "/v1/projections/beacon/";
  const found = await proven.client.get(`/v1/blocks/${height}`, {}, context.signal);
  const row = await asked(context, proven, `${path}${ROWS.keys}${String(found["proposerId"])}`);
  const depth = (await asked(context, proven, `${path}${ROWS.depth}`))?.["value"] as
    | JsonObject
    | undefined;
  const [before, after] = [
    await termsOf(context, proven, height - 1),
    await termsOf(context, proven, height),
  ];
  const due = dueReveal(keysOf(row, Number(depth?.["depth"])), { height, epoch });
  if (before.beacon === undefined || after.beacon === undefined || due === undefined) {
    return "not checked here: the node has not kept the key or the beacons";
  }
  const { value, took } = timed(() =>
    acceptReveal(
      ...([createHasher(status.chainId), before.beacon ?? ZERO_HASH, due.key] as const),
      ...([{ height, epoch }, block.proofs.reveal] as const),
    ),
  );
  if (!value.ok) return `WRONG (${value.code}: ${value.detail})`;
  const fromEpoch = due.key.registeredEpoch + LIMITS.beaconLeadEpochs;
  return equalBytes(value.value, after.beacon)
    ? `right by the proposer's key that counts from epoch ${fromEpoch} on, checked here in ${took}`
    : "WRONG: the node's beacon of the height is another";
};

const beaconText = async (context: CliContext, proven: Proven): Promise<string> => {
  const { block, status } = proven;
  const { length } = block.proofs.reveal;
  if (length > 0) {
    const checked = await revealText(context, proven);
    return `the proposer revealed its value of height ${block.header.height} in ${length} bytes: ${checked}`;
  }
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
      stake: await stakeText(context, proven),
      space: await spaceText(context, proven),
      work: await workText(context, proven),
      time: await timeText(proven),
      beacon: await beaconText(context, proven),
    };
  } catch (error) {
    if (error instanceof TetradError) throw error;
    throw new TetradError("client.bad-answer", `the proofs do not read: ${String(error)}`);
  }
};
