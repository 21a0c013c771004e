/** Events that the ledger's own projections decide on. Payload encodings are part of the protocol. */
import { LIMITS } from "../../limits.ts";
import { defineEvent, type EventValue, field, LINE_TEXT, NAME_TEXT } from "../event-schema.ts";

/** Adds an actor. Its id is Ht("id", publicKey). Permissions ascend, without repeats. */
export const actorRegistered = defineEvent({
  type: "actor.registered",
  version: 1,
  fields: [
    field.fixed("publicKey", LIMITS.falconPublicKeyBytes),
    field.string("name", LIMITS.nameBytesMax, LINE_TEXT),
    field.list(
      "permissions",
      LIMITS.permissionsMax,
      field.string("permission", LIMITS.eventTypeBytesMax),
    ),
  ],
});
export type ActorRegistered = EventValue<typeof actorRegistered>;

/** Ends an actor's right to write, for good. */
export const actorRevoked = defineEvent({
  type: "actor.revoked",
  version: 1,
  fields: [field.hash("actor")],
});
export type ActorRevoked = EventValue<typeof actorRevoked>;

/** "" for everything, "area/…/" for what begins with it, or one resource: see capabilities.ts. */
const RESOURCE = /^\P{Cc}*$/u;

/** Gives a right to act on resources, at most what the giver holds. `parent` is zero for a root. */
export const capabilityGranted = defineEvent({
  type: "capability.granted",
  version: 1,
  fields: [
    field.hash("holder"),
    field.hash("parent"),
    field.bool("delegable"),
    field.u64("notAfterMs"),
    field.list(
      "actions",
      LIMITS.capabilityActionsMax,
      field.string("action", LIMITS.eventTypeBytesMax),
    ),
    field.string("resource", LIMITS.resourceBytesMax, RESOURCE),
  ],
});
export type CapabilityGranted = EventValue<typeof capabilityGranted>;

/** Takes a capability back, and with it all that came from it. */
export const capabilityRevoked = defineEvent({
  type: "capability.revoked",
  version: 1,
  fields: [field.hash("capability")],
});
export type CapabilityRevoked = EventValue<typeof capabilityRevoked>;

/** One or more characters, none of them a control character. */
const KEY_TEXT = /^\P{Cc}+$/u;

/** Stores a record of the user's own. The last write of a topic and key wins. */
export const recordPut = defineEvent({
  type: "record.put",
  version: 1,
  fields: [
    field.string("topic", LIMITS.recordTopicBytesMax, NAME_TEXT),
    field.string("key", LIMITS.recordKeyBytesMax, KEY_TEXT),
    field.bytes("body", LIMITS.recordBodyBytesMax),
  ],
});
export type RecordPut = EventValue<typeof recordPut>;
