/**
 * With whom a node shares runs of time, as its operator names them: validators of the genesis by name or by id, those
 * that joined later by id. Names of the latter are not taken: which id one stands for is only known once the log is
 * read as far as the registration, and a run names its members before it begins.
 */
import { compareBytes, equalBytes, fromHex, toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import type { Genesis } from "../../ledger/genesis.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Logger } from "../../ledger/ports.ts";
import { KEYS, STAKE } from "../../ledger/projections/stake/rows.ts";
import type { Hash } from "../../ledger/types.ts";

export type NamingOptions = {
  readonly genesis: Pick<Genesis, "validators" | "proofs">;
  readonly handle: Pick<LedgerHandle, "row">;
  readonly self: Hash;
  readonly logger: Logger;
};

const ID = /^[0-9a-f]{64}$/;

const invalid = (key: string, detail: string): TetradError =>
  new TetradError("config.invalid", `${key}: ${detail}`);

/** Another validator, by its name in the genesis or by its id. Throws config.invalid. */
export const namedValidator = (
  { genesis, handle, self, logger }: NamingOptions,
  key: "time_members" | "time_shared_with",
  text: string,
): Hash => {
  const { validators, proofs } = genesis;
  // An id is nobody's to choose; a name may be what another's id looks like.
  const named = validators.find(({ id }) => toHex(id) === text);
  const known = (named ?? validators.find(({ name }) => name === text))?.id;
  const id = known ?? (ID.test(text) && proofs.stake !== null ? fromHex(text) : undefined);
  if (id === undefined) {
    // Nobody joins a chain without stake.
    const later = proofs.stake === null ? "" : "; one that joined later is named by its id";
    throw invalid(key, `"${text}" is no validator of the genesis${later}`);
  }
  if (equalBytes(id, self)) throw invalid(key, `"${text}" is this node itself`);
  if (known === undefined && handle.row(STAKE, KEYS.identity(id)) === undefined) {
    // A member may be named before it joins, and a node that starts anew has not read the log yet.
    logger.log("warn", "a validator that shares time is not in the log", { key, id: text });
  }
  return id;
};

/** Who shares the runs of this node, in ascending order of id. Throws config.invalid. */
export const namedMembers = (options: NamingOptions, texts: readonly string[]): readonly Hash[] => {
  const key = "time_members";
  const ids = texts.map((text) => namedValidator(options, key, text)).sort(compareBytes);
  const twice = ids.find((id, i) => i > 0 && equalBytes(id, ids[i - 1] ?? id));
  if (twice !== undefined) throw invalid(key, `${toHex(twice)} is there twice, by name and by id`);
  return ids;
};
