/** `nexus validator …`: events about stake and membership. */
import { resolve } from "node:path";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import {
  possessionMessage,
  stakeBonded,
  stakeDelegated,
  stakeGranted,
  stakeUnbonded,
  stakeWithdrawn,
  validatorJailed,
  validatorLeft,
  validatorRegistered,
  validatorRejoined,
} from "../../ledger/projections/stake/events.ts";
import type { EncodedEvent } from "../../ledger/types.ts";
import { nodePaths } from "../../node/folder.ts";
import { readIdentity } from "../../node/identity.ts";
import type { CliContext } from "../context.ts";
import { openSigningKey } from "../key.ts";
import { candidateOf } from "../stake-rows.ts";
import { type AppendOptions, writeEvents } from "./append.ts";

type WriteOptions = Pick<AppendOptions, "wait" | "key" | "timeout">;

/** Amounts are whole, and may be above what JavaScript counts exactly. */
const amountOf = (text: string): bigint => {
  if (/^[1-9][0-9]{0,18}$/.test(text)) return BigInt(text);
  throw new TetradError("cli.usage", `"${text}" is no amount: a whole number from 1 on`);
};

const idOf = async (context: CliContext, wanted: string): Promise<Uint8Array> =>
  fromHex((await candidateOf(context, wanted)).id);

/** Writes one event about a validator that is named by name or id. */
const about =
  (make: (validator: Uint8Array) => EncodedEvent) =>
  async (context: CliContext, options: WriteOptions, wanted: string): Promise<void> => {
    const validator = await idOf(context, wanted);
    await writeEvents(context, options, () => [make(validator)]);
    context.suggest("nexus validator status");
  };

export const leave = about((validator) => validatorLeft.encode({ validator }));
export const rejoin = about((validator) => validatorRejoined.encode({ validator }));
export const withdraw = about((validator) => stakeWithdrawn.encode({ validator }));

export const unbond = async (
  context: CliContext,
  options: WriteOptions,
  wanted: string,
  amount: string,
): Promise<void> =>
  about((validator) => stakeUnbonded.encode({ validator, amount: amountOf(amount) }))(
    context,
    options,
    wanted,
  );

export const jail = async (
  context: CliContext,
  options: WriteOptions,
  wanted: string,
  reason: string,
): Promise<void> =>
  about((validator) => validatorJailed.encode({ validator, reason }))(context, options, wanted);

export const bond = async (
  context: CliContext,
  options: WriteOptions,
  wanted: string,
  amount: string,
): Promise<void> => {
  const { id, owner } = await candidateOf(context, wanted);
  const validator = fromHex(id);
  await writeEvents(context, options, ({ actor }) => {
    const event = toHex(actor) === owner ? stakeBonded : stakeDelegated;
    return [event.encode({ validator, amount: amountOf(amount) })];
  });
  context.suggest("nexus validator status");
};

export const grant = async (
  context: CliContext,
  options: WriteOptions,
  actor: string,
  amount: string,
): Promise<void> => {
  if (!/^[0-9a-f]{64}$/.test(actor)) {
    throw new TetradError("cli.usage", "an actor's id has 64 lower-case hex digits", {
      next: "nexus key show FILE --genesis genesis.json",
    });
  }
  await writeEvents(context, options, () => [
    stakeGranted.encode({ to: fromHex(actor), amount: amountOf(amount) }),
  ]);
};

type JoinOptions = WriteOptions & { readonly bond?: string };

export const join = async (
  context: CliContext,
  options: JoinOptions,
  folder: string,
): Promise<void> => {
  const paths = nodePaths(resolve(context.cwd, folder));
  const { format: _, development: __, ...identity } = readIdentity(paths.identity);
  const node = await openSigningKey(paths.nodeKey, context.env, (text) => context.note(text));
  if (toHex(node.publicKey) !== toHex(identity.publicKey)) {
    throw new TetradError("key.invalid", `${paths.identity} is not of the key ${paths.nodeKey}`);
  }
  const { chainId } = await context.client().status(context.signal);
  const hasher = createHasher(chainId);
  const validator = hasher.ht("id", identity.publicKey);
  await writeEvents(context, options, async ({ actor }) => {
    const possession = await node.sign(possessionMessage(hasher, actor, identity));
    const bonded = options.bond === undefined ? undefined : amountOf(options.bond);
    return [
      validatorRegistered.encode({ ...identity, possession }),
      ...(bonded === undefined ? [] : [stakeBonded.encode({ validator, amount: bonded })]),
    ];
  });
  context.note(`validator ${identity.name} has the id ${toHex(validator)}`);
  context.suggest(`nexus start --config ${paths.config}`, "nexus validator status");
};
