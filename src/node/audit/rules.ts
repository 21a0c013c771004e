/** The product's rules as an audit needs them: those of a node, from the same list of projections. */
import type { AuditRules } from "../../ledger/audit/chain.ts";
import type { ParsedGenesis } from "../../ledger/genesis.ts";
import type { VerifySignature } from "../../ledger/projection.ts";
import { productOptions } from "../product.ts";

export const auditRules = (chain: ParsedGenesis, verifySignature: VerifySignature): AuditRules => {
  const { genesis, hasher, hash } = chain;
  const options = productOptions({ name: "audit", genesis, hasher, verifySignature });
  const { registry, executor, nextSet } = options;
  return { genesis, genesisHash: hash, hasher, registry, executor, nextSet };
};
