import { describe, expect, it } from "vitest";
import { toHex } from "../../src/crypto/bytes.ts";
import { formatGenesis, parseGenesis } from "../../src/ledger/genesis.ts";
import { NO_PROOFS } from "../../src/ledger/genesis-proofs.ts";
import { validatorPermissions } from "../../src/ledger/projections/permissions.ts";
import { projectionsOf } from "../../src/node/product.ts";
import { LOCATION_DEFAULT } from "../../src/proofs/location/parameters.ts";
import { SPACE_PROFILES } from "../../src/proofs/space/parameters.ts";
import { genesisInput, hashOf } from "../golden/fixtures.ts";

const provers = [1, 2, 3, 4].map((byte) => ({ ivrfRoot: hashOf(byte + 30), sectors: [] }));
const proofs = { ...NO_PROOFS, beacon: { depth: 3 }, space: SPACE_PROFILES.dev };
const text = formatGenesis({
  ...{ ...genesisInput, format: 2, provers },
  proofs: { ...proofs, location: LOCATION_DEFAULT },
});
const without = formatGenesis({ ...{ ...genesisInput, format: 2, provers, proofs } });

const parsed = (from: string) => {
  const result = parseGenesis(from);
  if (!result.ok) throw new Error(result.detail);
  return result.value;
};

type File = { readonly proofs: Record<string, unknown> & { location: Record<string, unknown> } };

/** Where the same file with something else in it is wrong. */
const wrong = (change: (file: File) => void): unknown => {
  const file = JSON.parse(text) as File;
  change(file);
  const result = parseGenesis(JSON.stringify(file));
  return result.ok ? "read" : result.data?.["path"];
};

describe("a genesis that asks for location", () => {
  it("comes back from its file", () => {
    expect(parsed(text).genesis.proofs.location).toEqual(LOCATION_DEFAULT);
    expect(wrong(() => undefined)).toBe("read");
  });

  it("is another chain than the same without, which has nothing of it", () => {
    const [one, other] = [parsed(text), parsed(without)];
    expect(toHex(one.hash)).not.toBe(toHex(other.hash));
    expect(other.genesis.proofs.location).toBeUndefined();
    const names = (from: typeof one) => projectionsOf(from.genesis).map(({ name }) => name);
    expect(names(one)).toEqual([...names(other), "zones"]);
    expect(validatorPermissions(one.genesis.proofs)).toContain("location.*");
    expect(validatorPermissions(other.genesis.proofs)).not.toContain("location.*");
  });

  it("is refused without space, and with parameters that are none", () => {
    expect(wrong(({ proofs: from }) => Object.assign(from, { space: null }))).toBe("proofs.space");
    const location = (change: object) =>
      wrong(({ proofs: from }) => Object.assign(from.location, change));
    expect(location({ rounds: 0 })).toBe("proofs.location");
    expect(location({ rounds: "8" })).toBe("proofs.location.rounds");
    expect(location({ labels: -1 })).toBe("proofs.location.labels");
    expect(location({ zones: [] })).toBe("proofs.location.zones");
    expect(location({ zones: [{ name: "a" }] })).toBe("proofs.location.zones[0]");
    expect(location({ zones: [{ name: "A", rttMaxUs: 1 }] })).toBe("proofs.location.zones[0].name");
    expect(location({ more: 1 })).toBe("proofs.location");
    expect(wrong(({ proofs: from }) => Object.assign(from, { location: null }))).toBe(
      "proofs.location",
    );
  });
});
