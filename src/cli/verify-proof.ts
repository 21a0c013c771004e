/** The part of `nexus verify` that believes no node: each proves the record that it says it has. */
import { proofFrom } from "../client/nearer-trust.ts";
import { equalBytes } from "../crypto/bytes.ts";
import { falconVerify } from "../crypto/falcon.ts";
import { TetradError } from "../errors.ts";
import { parseTrust } from "../ledger/verify/trust.ts";
import { FORMATS } from "../node/formats.ts";
import type { Check, Up } from "./verify-network.ts";

const proveOne = async (
  one: Up,
  record: string,
  genesis: string,
  signal: AbortSignal,
): Promise<string> => {
  const trust = parseTrust(genesis);
  if (!trust.ok) throw TetradError.from(trust);
  const path = `/v1/projections/records/${encodeURIComponent(record)}`;
  const options = { verify: falconVerify, signal };
  const { claim } = (await proofFrom(one.client, { path }, trust.value, options)).bundle;
  const key = FORMATS.keyBytes("records", record);
  const [row] = claim.kind === "rows" && claim.projection === "records" ? claim.rows : [];
  if (!key.ok || row?.row === undefined || !equalBytes(row.key, key.value)) {
    throw new TetradError("proof.invalid", "the node proved something else than was asked for");
  }
  return `proves ${record} against the genesis`;
};

/** Whether each node proves that it has the row; `genesis` is the text of the trusted file. */
export const proveOnEach = (
  up: readonly Up[],
  record: string,
  genesis: string,
  signal: AbortSignal,
): Promise<Check[]> =>
  Promise.all(
    up.map(async (one): Promise<Check> => {
      const check = { node: one.name, check: "proof" };
      try {
        return { ...check, state: "ok", found: await proveOne(one, record, genesis, signal) };
      } catch (error) {
        if (!(error instanceof TetradError)) throw error;
        return { ...check, state: "fail", found: `${error.code}: ${error.message}` };
      }
    }),
  );
