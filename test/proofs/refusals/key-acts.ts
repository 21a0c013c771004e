/** Forgeries of keys of epochs: whose they are, what for, and when. */
import { expect } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { type EpochKey, epochKeysRegistered } from "../../../src/ledger/projections/epoch-keys.ts";
import type { EncodedEvent } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { keyOf } from "../../ledger/execution-support.ts";
import {
  entryOf,
  evidence,
  inSet,
  keyFor,
  keysGenesis,
  keysOf,
  NAMES,
} from "../../ledger/stake/keys-support.ts";
import { StakeChain } from "../../ledger/stake/support.ts";
import { type Act, NOTHING, type Seen } from "./act.ts";
import { otherHasher } from "./world.ts";

const OK = "accepted";
const { epochKeyLeadEpochs: FIRST, epochKeysAheadMax: LAST } = LIMITS;

/** One that v0 may register in epoch 0. */
const KEY: EpochKey = { epoch: FIRST, publicKey: keyFor("v0", FIRST) };

type Entry = ReturnType<typeof entryOf>;

const registered = (entry: Entry): EncodedEvent => epochKeysRegistered.encode({ keys: [entry] });

/** What becomes of an event on a fresh chain, on which the right one is taken. */
const refused = (event: EncodedEvent, by = "v0"): Seen => {
  expect(new StakeChain(keysGenesis).codes(["v0", registered(entryOf("v0", KEY))])).toEqual([OK]);
  const chain = new StakeChain(keysGenesis);
  const [execution = "nothing"] = chain.codes([by, event]);
  chain.end(LAST + 1);
  expect(inSet(chain, "v0", LAST + 1)).toBe(toHex(keyFor("v0", 0)));
  return { execution };
};

const signed = (instead: Parameters<typeof entryOf>[2]): Seen =>
  refused(registered(entryOf("v0", KEY, instead)));

export const KEY_ACTS: Readonly<Record<string, Act>> = {
  "stake/validator/missing/key-possession": () => {
    const possession = new Uint8Array(LIMITS.falconSignatureBytes);
    return refused(registered({ ...KEY, possession }));
  },
  "stake/validator/missing/key": () => {
    const chain = new StakeChain(keysGenesis);
    const before = chain.powers(1);
    expect(chain.codes(["v0", keysOf("v0", FIRST)])).toEqual([OK]);
    chain.end(LAST + 4);
    expect(chain.powers(LAST + 4)).toEqual(before);
    expect(NAMES.map((name) => inSet(chain, name, LAST + 4))).toEqual(
      NAMES.map((name) => toHex(keyFor(name, name === "v0" ? FIRST : 0))),
    );
    return NOTHING;
  },
  "stake/validator/stale/key": () => refused(keysOf("v0", FIRST - 1)),
  "stake/validator/stale/key-again": () =>
    refused(registered(entryOf("v0", { ...KEY, publicKey: keyFor("v0", 0) }))),
  "stake/validator/stale/key-long-lived": () =>
    refused(registered(entryOf("v0", { ...KEY, publicKey: keyOf("v0") }))),
  "stake/validator/stale/key-evidence": () => {
    const chain = new StakeChain(keysGenesis);
    expect(chain.codes(["v0", keysOf("v0", FIRST)])).toEqual([OK]);
    chain.end(FIRST + 1);
    const [right, execution = "nothing"] = [FIRST, 0].flatMap((epoch) =>
      chain.codes(["v1", evidence("v0", FIRST, keyFor("v0", epoch), 7 + epoch)]),
    );
    expect(right).toBe(OK);
    return { execution };
  },
  "stake/validator/forged/key": () => signed({ signer: keyFor("v0", "other") }),
  "stake/validator/replayed/key": () => signed({ by: otherHasher }),
  "stake/validator/replayed/key-epoch": () => signed({ epoch: FIRST + 1 }),
  "stake/validator/borrowed/key": () => refused(keysOf("v1", FIRST)),
  "stake/validator/borrowed/key-stranger": () => refused(keysOf("root", FIRST), "root"),
  "stake/validator/precomputed/key": () => refused(keysOf("v0", LAST + 1)),
};
