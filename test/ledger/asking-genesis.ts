/** The file of a genesis that asks for some proofs, and says of itself whether it is insecure. */
import { formatGenesis, type GenesisParameters } from "../../src/ledger/genesis.ts";
import { type GenesisProofs, NO_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import { genesisInput } from "../golden/fixtures.ts";

export const askingGenesis = (
  proofs: Partial<GenesisProofs>,
  insecure: boolean,
  times: Partial<GenesisParameters> = {},
): string =>
  formatGenesis({
    ...genesisInput,
    ...{ insecure, format: 2 },
    parameters: { ...genesisInput.parameters, ...times },
    proofs: { ...NO_PROOFS, beacon: { depth: 10 }, ...proofs },
    provers: genesisInput.validators.map(() => ({
      ivrfRoot: new Uint8Array(32).fill(7),
      sectors: [],
    })),
  });
