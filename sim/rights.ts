/**
 * What is written where a workload has `rights`: clients, who may write anything, register guests with few permissions,
 * take these back, and on a chain with stake give capabilities that end soon; guests write what they may and what they
 * may not, register and revoke each other, and pass on what they hold. Much of it must be refused, by rules that the
 * checkers know themselves (I14).
 */
import { equalBytes } from "../src/crypto/bytes.ts";
import type { LedgerHandle } from "../src/ledger/handle.ts";
import { decodeActor } from "../src/ledger/projections/actors.ts";
import { CAPABILITY_KEYS, capabilityId } from "../src/ledger/projections/capabilities.ts";
import {
  actorRegistered,
  actorRevoked,
  capabilityGranted,
  capabilityRevoked,
} from "../src/ledger/projections/events.ts";
import { hashPart } from "../src/ledger/row.ts";
import type { EncodedEvent, Hash } from "../src/ledger/types.ts";
import type { SimChain } from "./genesis.ts";
import type { Prng } from "./prng.ts";
import { laneTopic, recordEvent } from "./records.ts";
import type { KeyPair, SignatureScheme } from "./signer.ts";
import { WALL_START_MS, type World } from "./world.ts";

const GUESTS = 10;
const KEYS = 3;
/** A capability lasts so long at most. */
const LASTS_MS = 6_000;
/** Of those that were given so many are remembered: what came before them has ended mostly. */
const REMEMBERED = 12;
const NOBODY = new Uint8Array(32);

/** Ascending, as the rules want them. */
const PERMISSIONS: readonly (readonly string[])[] = [
  [],
  ["record.put"],
  ["record.*"],
  ["actor.*", "record.put"],
  ["actor.registered", "actor.revoked", "record.put"],
  ["asset.*"],
];

type Given = { readonly id: Hash; readonly granter: Hash; readonly holder: Hash };

export type Guest = { readonly key: KeyPair; readonly id: Hash };

export type Rights = {
  readonly guests: readonly Guest[];
  /** What a client adds to its next batch: often nothing. */
  events(client: Hash, handle: LedgerHandle): EncodedEvent[];
  /** All of a guest's next batch. */
  ofGuest(guest: number, handle: LedgerHandle): EncodedEvent[];
  /** A batch of these events is about to be sent. */
  sent(batchId: Hash, events: readonly EncodedEvent[], granter: Hash): void;
  /** Whether this node lets the guest write at all. */
  isIn(handle: LedgerHandle, guest: number): boolean;
};

export const createRights = (
  random: Prng,
  world: World,
  { hasher, genesis }: SimChain,
  scheme: SignatureScheme,
): Rights => {
  const guests = Array.from({ length: GUESTS }, (_, i): Guest => {
    const key = scheme.createKey(`guest ${i}`);
    return { key, id: hasher.ht("id", key.publicKey) };
  });
  const passesOn = genesis.proofs.stake !== null;
  const given: Given[] = [];
  /** Events that give a capability, with its holder, until their batch has an id. */
  const open = new WeakMap<EncodedEvent, Hash>();

  const register = (): EncodedEvent => {
    const guest = random.below(GUESTS);
    const permissions = [...random.pick(PERMISSIONS)];
    // Two in this order are no set of permissions.
    if (random.below(12) === 0) permissions.push("a.b", "a.a");
    const publicKey = guests[guest]?.key.publicKey ?? NOBODY;
    return actorRegistered.encode({ publicKey, name: `guest${guest}`, permissions });
  };

  const revoke = (actor: Hash = random.pick(guests).id): EncodedEvent =>
    actorRevoked.encode({ actor });

  const isIn = (handle: LedgerHandle, id: Hash): boolean => {
    const row = handle.row("actors", hashPart(id));
    return row !== undefined && decodeActor(row).revokedHeight === 0;
  };

  /** Mostly somebody who is there. */
  const somebody = (handle: LedgerHandle): Hash => {
    const there = guests.filter(({ id }) => isIn(handle, id));
    return random.pick(there.length === 0 || random.below(6) === 0 ? guests : there).id;
  };

  /** What was given, as this node knows. */
  const known = (handle: LedgerHandle): readonly Given[] =>
    given.filter(({ id }) => handle.row("capabilities", CAPABILITY_KEYS.one(id)) !== undefined);

  /** `from` is what the author has itself, or has not; none for a root. */
  const grant = (handle: LedgerHandle, from?: Given): EncodedEvent => {
    const holder = somebody(handle);
    const topic = laneTopic(random.below(GUESTS));
    const event = capabilityGranted.encode({
      ...{ holder, parent: from?.id ?? NOBODY, delegable: random.below(3) > 0 },
      notAfterMs: WALL_START_MS + Math.floor(world.nowMs) + random.below(LASTS_MS),
      actions: [random.pick(["record.put", "record.*", "actor.revoked"])],
      resource: random.pick(["", "record/", `record/${topic}/`, `record/${topic}/g0`]),
    });
    open.set(event, holder);
    return event;
  };

  /** Mostly what the author has given itself. */
  const takeBack = (handle: LedgerHandle, author: Hash): EncodedEvent => {
    const own = known(handle).filter(({ granter }) => equalBytes(granter, author));
    const all = random.below(4) === 0 || own.length === 0 ? known(handle) : own;
    const capability = all.length === 0 ? NOBODY : random.pick(all).id;
    return capabilityRevoked.encode({ capability });
  };

  /** Of its own, mostly, where it has one. */
  const source = (handle: LedgerHandle, id: Hash): Given | undefined => {
    const all = known(handle);
    const own = all.filter(({ holder }) => equalBytes(holder, id));
    return random.below(4) === 0 || own.length === 0 ? all.at(-1) : random.pick(own);
  };

  const put = (): EncodedEvent => {
    const topic = laneTopic(random.below(GUESTS));
    return recordEvent(topic, `g${random.below(KEYS)}`, random.bytes(4));
  };

  return {
    guests,
    events: (client, handle) => {
      if (random.below(2) > 0) return [];
      const kind = random.below(passesOn ? 12 : 7);
      if (kind < 5) return [register()];
      if (kind < 7) return [revoke()];
      return [kind > 9 ? takeBack(handle, client) : grant(handle)];
    },
    ofGuest: (guest, handle) => {
      const { id } = guests[guest] ?? { id: NOBODY };
      return Array.from({ length: 1 + random.below(3) }).flatMap(() => {
        const kind = random.below(passesOn ? 12 : 8);
        if (kind < 5) return [put()];
        if (kind === 5) return [register()];
        if (kind === 6) return [revoke()];
        // Whoever ends itself has written the rest of the batch in vain.
        if (kind === 7) return random.below(3) === 0 ? [revoke(id), put()] : [put()];
        return [kind === 11 ? takeBack(handle, id) : grant(handle, source(handle, id))];
      });
    },
    sent: (batchId, events, granter) => {
      for (const [position, event] of events.entries()) {
        const holder = open.get(event);
        if (holder === undefined) continue;
        given.push({ id: capabilityId(hasher, batchId, position), granter, holder });
        if (given.length > REMEMBERED) given.shift();
      }
    },
    isIn: (handle, guest) => isIn(handle, guests[guest]?.id ?? NOBODY),
  };
};
