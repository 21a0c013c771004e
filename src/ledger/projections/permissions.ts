/**
 * Permission patterns: what an actor may write. "*" is everything, "record.*" every type that begins with
 * "record.", and anything else is one exact type.
 */
import { LIMITS } from "../../limits.ts";
import type { GenesisProofs } from "../genesis-proofs.ts";

/** Of the node key of each validator of the genesis, so that evidence needs no actor. */
const VALIDATOR_PERMISSION = "detect.evidence.*";

const PROOF_PERMISSIONS = ["beacon.*", "space.*", "time.*", "work.*"] as const;

/** What an owner does for its validator: one of the genesis is its own. Never that which makes stake. */
const OWNER_PERMISSIONS = [
  "stake.bonded",
  "stake.unbonded",
  "stake.withdrawn",
  "validator.left",
  "validator.rejoined",
] as const;

/** Receipts of where it is, on a chain that asks for them. */
const LOCATION_PERMISSION = "location.*";

/** Its own keys of epochs, which nobody registers for it. */
const EPOCH_KEY_PERMISSION = "validator.keys.registered";

/** The most that a validator may write. */
export const VALIDATOR_PERMISSIONS_MAX: number =
  3 + PROOF_PERMISSIONS.length + OWNER_PERMISSIONS.length;

/** What the node key of a validator may write that registers later; another actor is its owner. */
export const JOINED_PERMISSIONS: readonly string[] = [VALIDATOR_PERMISSION, ...PROOF_PERMISSIONS];

/** The same with what the chain asks for besides. */
export const joinedPermissions = (proofs: GenesisProofs): readonly string[] => [
  ...JOINED_PERMISSIONS,
  ...(proofs.epochKeys === true ? [EPOCH_KEY_PERMISSION] : []),
  ...(proofs.location === undefined ? [] : [LOCATION_PERMISSION]),
];

/** What the node key of a validator may write: of the proofs those that its chain asks for. */
export const validatorPermissions = (proofs: GenesisProofs): readonly string[] => [
  VALIDATOR_PERMISSION,
  ...(proofs.stake === null ? [] : OWNER_PERMISSIONS),
  ...(proofs.epochKeys === true ? [EPOCH_KEY_PERMISSION] : []),
  ...(proofs.location === undefined ? [] : [LOCATION_PERMISSION]),
  ...(["beacon", "space", "time", "work"] as const).flatMap((part) =>
    proofs[part] === null ? [] : [`${part}.*`],
  ),
];

const PATTERN = /^(\*|[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*){0,2}\.(\*|[a-z][a-z0-9-]*))$/;

export const isPermission = (pattern: string): boolean =>
  pattern.length <= LIMITS.eventTypeBytesMax && PATTERN.test(pattern);

/** Whether everything that `narrow` allows is allowed by `wide`. An exact type is a pattern too. */
export const covers = (wide: string, narrow: string): boolean =>
  wide === "*" || wide === narrow || (wide.endsWith(".*") && narrow.startsWith(wide.slice(0, -1)));

export const anyCovers = (held: readonly string[], wanted: string): boolean =>
  held.some((pattern) => covers(pattern, wanted));

/** Strictly ascending, so that one set of permissions has one encoding. */
export const isCanonical = (patterns: readonly string[]): boolean =>
  patterns.every((pattern, i) => {
    const previous = patterns[i - 1];
    return isPermission(pattern) && (previous === undefined || previous < pattern);
  });

/** Ascending and without repeats. */
export const canonical = (patterns: Iterable<string>): string[] => [...new Set(patterns)].sort();
