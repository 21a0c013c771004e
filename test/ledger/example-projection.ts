/** The example of docs/projections.md: seats of a room, each taken by one actor at a time. */
import { toHex } from "../../src/crypto/bytes.ts";
import { defineEvent, field, NAME_TEXT } from "../../src/ledger/event-schema.ts";
import { defineProjection, own, type Projection, refuse } from "../../src/ledger/projection.ts";
import { defineRow, KeyReader, keyOf, textPart, u64Part } from "../../src/ledger/row.ts";

const seat = [field.string("room", 64, NAME_TEXT), field.u64("seat")] as const;

export const seatTaken = defineEvent({ type: "seat.taken", version: 1, fields: seat });
export const seatLeft = defineEvent({ type: "seat.left", version: 1, fields: seat });

// A key sorts by room and then by number; a row says who sits there since when.
const keyOfSeat = (room: string, number: number) => keyOf(textPart(room), u64Part(number));
const seatRow = defineRow(field.hash("actor"), field.u64("sinceMs"));

export const seats: Projection = defineProjection({
  name: "seats",
  schemaVersion: 1,
  owns: [
    own(seatTaken, {
      decide: (read, { room, seat: number }) =>
        read.get(keyOfSeat(room, number)) === undefined
          ? undefined
          : refuse("event.conflict", "the seat is taken"),
      apply: (tx, { room, seat: number }, { actor, timeMs }) =>
        tx.put(keyOfSeat(room, number), seatRow.encode({ actor, sinceMs: timeMs })),
    }),
    own(seatLeft, {
      decide: (read, { room, seat: number }, { actor }) => {
        const row = read.get(keyOfSeat(room, number));
        if (row === undefined) return refuse("event.conflict", "the seat is free");
        const mine = toHex(seatRow.decode(row).actor) === toHex(actor);
        return mine ? undefined : refuse("event.conflict", "somebody else sits there");
      },
      apply: (tx, { room, seat: number }) => tx.del(keyOfSeat(room, number)),
    }),
  ],
  format: (key, value) => {
    const reader = new KeyReader(key);
    const where = { room: reader.text(), seat: reader.u64() };
    const { actor, sinceMs } = seatRow.decode(value);
    return { ...where, actor: toHex(actor), sinceMs };
  },
});
