/**
 * Who may have a node keep an object, or give it up: an actor of the ledger whose permissions cover `object.put` or
 * `object.drop`, by an order that it has signed for this node and a time that is near. A right that was passed on
 * (a capability) is about events and does not count here.
 */
import { toHex } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { decodeOrder, type ObjectOrder, orderStatement } from "../../crypto/objects/statements.ts";
import { TetradError } from "../../errors.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Clock, PeerId, Verifier } from "../../ledger/ports.ts";
import { decodeActor, mayWrite } from "../../ledger/projections/actors.ts";
import { LIMITS } from "../../limits.ts";

export const PERMISSIONS = { keep: "object.put", drop: "object.drop" } as const;

export type OrderContext = {
  readonly handle: Pick<LedgerHandle, "row">;
  readonly hasher: Hasher;
  readonly self: PeerId;
  readonly clock: Clock;
  readonly verifier: Verifier;
};

/**
 * The order in these bytes, when it may be followed; cheapest check first. Codes: encoding.*, object.order,
 * event.unknown-actor, event.forbidden, object.order-signature.
 */
export const checkOrder = async (
  context: OrderContext,
  bytes: Uint8Array,
): Promise<ObjectOrder> => {
  const order = decodeOrder(bytes);
  if (!order.ok) throw TetradError.from(order);
  const { action, actor, node, notAfterMs, signature } = order.value;
  if (toHex(node) !== context.self) {
    throw new TetradError("object.order", "the order is for another node");
  }
  const leftMs = notAfterMs - context.clock.wallMs();
  if (leftMs < 0 || leftMs > LIMITS.objectOrderMsMax) {
    const detail = `the order ends ${Math.round(leftMs / 1000)} s from now, by this node's clock`;
    throw new TetradError("object.order", detail);
  }
  const row = context.handle.row("actors", actor);
  if (row === undefined) {
    throw new TetradError("event.unknown-actor", `no actor has the id ${toHex(actor)}`);
  }
  const known = decodeActor(row);
  if (!mayWrite(known, PERMISSIONS[action])) {
    const detail = `the actor ${known.name} has not the permission ${PERMISSIONS[action]}`;
    throw new TetradError("event.forbidden", detail);
  }
  const job = { message: orderStatement(context.hasher, order.value), signature };
  const [isSigned] = await new Promise<readonly boolean[]>((resolve) => {
    context.verifier.verify([{ ...job, publicKey: known.publicKey }], "batch", resolve);
  });
  if (isSigned !== true) {
    throw new TetradError("object.order-signature", "the signature is not over this order");
  }
  return order.value;
};
