import { describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { firstValidators, formatGenesis, parseGenesis } from "../../src/ledger/genesis.ts";
import { NO_PROOFS, NO_PROVER } from "../../src/ledger/genesis-proofs.ts";
import { trustGenesis } from "../../src/ledger/verify/trust.ts";
import { LIMITS } from "../../src/limits.ts";
import { STAKE_PROFILES } from "../../src/proofs/stake/parameters.ts";
import { genesisInput } from "../golden/fixtures.ts";

const keyOf = (byte: number) => new Uint8Array(LIMITS.falconPublicKeyBytes).fill(byte);
const stake = STAKE_PROFILES.production;
const provers = [1, 2, 3, 4].map((byte) => ({ ...NO_PROVER, epochKey: keyOf(byte + 30) }));
const text = formatGenesis({
  ...{ ...genesisInput, format: 2, provers },
  proofs: { ...NO_PROOFS, stake, epochKeys: true },
});
const without = formatGenesis({
  ...{ ...genesisInput, format: 2, provers: provers.map(() => NO_PROVER) },
  proofs: { ...NO_PROOFS, stake },
});

/** The same file with something else in it. */
const changed = (change: (file: Record<string, never>) => void): string => {
  const file = JSON.parse(text);
  change(file);
  return JSON.stringify(file);
};

const parsed = (from: string) => {
  const result = parseGenesis(from);
  if (!result.ok) throw new Error(result.detail);
  return result.value;
};

const path = (from: string): unknown => {
  const result = parseGenesis(from);
  return result.ok ? "read" : result.data?.["path"];
};

describe("a genesis that asks for keys of epochs", () => {
  it("comes back from its file, and its first set has those keys under the ids of the others", () => {
    const { genesis } = parsed(text);
    expect(genesis.proofs.epochKeys).toBe(true);
    const first = firstValidators(genesis);
    expect(first.map(({ id }) => toHex(id))).toEqual(genesis.validators.map(({ id }) => toHex(id)));
    const keys = new Set(first.map(({ publicKey }) => publicKey[0]));
    expect(keys).toEqual(new Set([31, 32, 33, 34]));
  });

  it("is another chain than the same without, and has another first set to trust", () => {
    const [one, other] = [parsed(text), parsed(without)];
    expect(toHex(one.hash)).not.toBe(toHex(other.hash));
    expect(toHex(trustGenesis(one).setHash)).not.toBe(toHex(trustGenesis(other).setHash));
    expect(firstValidators(other.genesis)).toEqual(other.genesis.validators);
  });

  it("is refused with a key missing, repeated or long-lived, without stake, and said otherwise than by true", () => {
    type File = { proofs: Record<string, unknown>; validators: Record<string, unknown>[] };
    const wrong = (change: (file: File) => void): unknown =>
      path(changed((file) => change(file as unknown as File)));
    expect(wrong(() => undefined)).toBe("read");
    expect(wrong(({ validators }) => delete validators[1]?.["epochKey"])).not.toBe("read");
    expect(wrong(({ proofs }) => delete proofs["epochKeys"])).not.toBe("read");
    expect(wrong(({ proofs }) => Object.assign(proofs, { epochKeys: false }))).toBe(
      "proofs.epochKeys",
    );
    expect(wrong(({ proofs }) => Object.assign(proofs, { stake: null }))).toBe("proofs.stake");
    for (const name of ["epochKey", "publicKey"]) {
      const copy = ({ validators }: File): void => {
        Object.assign(validators[0] ?? {}, { epochKey: validators[1]?.[name] });
      };
      expect(wrong(copy), name).toBe("validators");
    }
    const short = ({ validators }: File): void => {
      Object.assign(validators[0] ?? {}, { epochKey: "00" });
    };
    expect(wrong(short)).toBe("validators[0].epochKey");
  });
});
