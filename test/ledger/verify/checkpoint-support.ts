/** Four validators whose checkpoint of one log all have signed, with every algorithm. */
import { randomBytes, sign } from "node:crypto";
import { utf8 } from "../../../src/crypto/codec.ts";
import { falconSign } from "../../../src/crypto/falcon.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import type { GenesisValidator } from "../../../src/ledger/genesis.ts";
import {
  type Checkpoint,
  checkpointLines,
  checkpointMessages,
  checkpointPolicyOf,
  checkpointText,
} from "../../../src/ledger/verify/checkpoint.ts";
import { formatNote, type NoteSignature } from "../../../src/ledger/verify/note.ts";
import { deriveCheckpointKeys } from "../../../src/node/keys/checkpoint-keys.ts";
import { keptKeys } from "../../crypto/kept-keys.ts";

const WEIGHTS = [1n, 1n, 1n, 2n];
export const members = WEIGHTS.map((weight, i) => {
  const falcon = keptKeys(i + 1);
  const pairs = deriveCheckpointKeys(falcon.secretKey);
  const { ed25519Key, mlDsa44Key } = pairs;
  const validator: GenesisValidator = {
    id: sha256(falcon.publicKey),
    name: `v${i}`,
    publicKey: falcon.publicKey,
    weight,
    tlsPin: sha256(utf8(`pin ${i}`)),
    address: `[::1]:${5000 + i}`,
    ed25519Key,
    mlDsa44Key,
  };
  return { falcon, pairs, validator };
});
export const policy = checkpointPolicyOf({
  chainId: "test-1",
  validators: members.map(({ validator }) => validator),
});
export const checkpoint: Checkpoint = {
  origin: "test-1/tlog",
  size: 7,
  root: sha256(utf8("root")),
};

export const linesOf = (i: number, of = checkpoint, timeS = 1000 + i): NoteSignature[] => {
  const member = policy.members[i];
  const keys = members[i];
  if (member === undefined || keys === undefined) throw new RangeError("no such member");
  const messages = checkpointMessages(member, of, timeS);
  return checkpointLines(member, timeS, {
    ed25519: Uint8Array.from(sign(null, messages.ed25519, keys.pairs.ed25519)),
    mlDsa44: Uint8Array.from(sign(null, messages.mlDsa44, keys.pairs.mlDsa44)),
    falcon: falconSign(messages.falcon, keys.falcon.secretKey, randomBytes(48)),
  });
};
export const allLines = [0, 1, 2, 3].map((i) => linesOf(i));
export const noteOf = (signatures: readonly NoteSignature[], text = checkpointText(checkpoint)) =>
  utf8(formatNote({ text, signatures }));
export const full = noteOf(allLines.flat());
