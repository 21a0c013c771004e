/** Whose first packets draw on the budgets of members: who is dialled there now, and is not shut out. */
import { expect, it } from "vitest";
import { isHostOf } from "../../src/transport/member.ts";
import { idOf } from "./support.ts";

const member = (n: number, host: string | undefined) => ({ host, known: { id: idOf(n) } });
const nobody = (): boolean => false;

it("are those of hosts at which a member is dialled, as long as it is one", () => {
  const members = [member(0, "::1"), member(1, undefined), member(2, "fd00::2")];
  expect(isHostOf("fd00::2", members, nobody)).toBe(true);
  expect(isHostOf("fd00::3", members, nobody)).toBe(false);
  expect(isHostOf("fd00::2", members.slice(0, 2), nobody)).toBe(false);
});

it("are not those of a member in quarantine, but where another is dialled there too", () => {
  const members = [member(0, "::1"), member(1, "::1"), member(2, "fd00::2")];
  expect(isHostOf("fd00::2", members, (id) => id === idOf(2))).toBe(false);
  expect(isHostOf("::1", members, (id) => id === idOf(0))).toBe(true);
  expect(isHostOf("::1", members, () => true)).toBe(false);
});
