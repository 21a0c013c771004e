// A property of one's own, for docs/simulation.md: every order gets a ticket of its own.
import {
  defineEvent,
  defineProjection,
  defineRow,
  field,
  KeyReader,
  keyOf,
  own,
  type Property,
  u64Part,
  type WorkloadEvents,
} from "tetrad/sim";

const placed = defineEvent({
  type: "order.placed",
  version: 1,
  fields: [field.u64("item")] as const,
});
const ticketRow = defineRow(field.u64("item"));

// The number of a ticket is the height of the block with the order. Heights are never used twice.
const tickets = defineProjection({
  name: "tickets",
  schemaVersion: 1,
  owns: [
    own(placed, {
      apply: (tx, { item }, { height }) =>
        tx.put(keyOf(u64Part(height)), ticketRow.encode({ item })),
    }),
  ],
  format: (key, value) => ({ ticket: new KeyReader(key).u64(), ...ticketRow.decode(value) }),
});

export const projections = [tickets];

/** What each client writes in its next batch. */
export const events: WorkloadEvents = (random) => [placed.encode({ item: random.below(1_000) })];

/** What must be true of every honest node when all is quiet again. */
export const property: Property = (nodes) => {
  for (const node of nodes) {
    const orders = node.events.filter(
      ({ type, refusedWith }) => type === "order.placed" && refusedWith === "",
    );
    const rows = node.rows("tickets");
    if (rows.length === orders.length) continue;
    return `n${node.slot} has ${orders.length} orders and ${rows.length} tickets`;
  }
  return undefined;
};
