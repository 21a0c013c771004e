/**
 * Addresses of nodes: "[ipv6]:port". Pure, because the genesis holds addresses and its hash must not
 * depend on which of the many texts of one address somebody wrote.
 */
import { fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";

/**
 * The address in its canonical text (RFC 5952: lower case, longest run of zeros shortened).
 * Refused, with code transport.address: anything but IPv6, zones, port 0, and addresses that no peer can
 * be dialled at (unspecified, IPv4-mapped, multicast).
 */
export const parseNodeAddress = (text: unknown): Result<string> => {
  if (typeof text !== "string" || text.length > LIMITS.addressBytesMax) {
    return fail("transport.address", "expected an address like [2001:db8::1]:8443");
  }
  const parts = /^\[([0-9a-fA-F:]{2,39})\]:([1-9][0-9]{0,4})$/.exec(text);
  const groups = parseGroups(parts?.[1] ?? "");
  const port = Number(parts?.[2] ?? 0);
  if (groups === undefined || port < 1 || port > 65_535) {
    return fail("transport.address", "expected an IPv6 address and port like [2001:db8::1]:8443");
  }
  const leadingZeros = groups.findIndex((group) => group !== 0);
  if (leadingZeros < 0) return fail("transport.address", "no peer is at the unspecified address");
  if (leadingZeros === 5 && groups[5] === 0xffff) {
    return fail("transport.address", "IPv4-mapped addresses are refused");
  }
  if ((groups[0] ?? 0) >= 0xff00)
    return fail("transport.address", "no peer is at a multicast address");
  return ok(`[${formatGroups(groups)}]:${port}`);
};

/** Eight 16-bit groups, or undefined when the text is not an IPv6 address. */
function parseGroups(text: string): number[] | undefined {
  const sides = text.split("::");
  if (sides.length > 2) return undefined;
  const read = (side: string | undefined): number[] | undefined => {
    if (side === undefined || side === "") return [];
    const words = side.split(":");
    return words.every((word) => /^[0-9a-fA-F]{1,4}$/.test(word))
      ? words.map((word) => Number.parseInt(word, 16))
      : undefined;
  };
  const head = read(sides[0]);
  const tail = read(sides[1]);
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  // "::" stands for at least one group; without it all eight must be written.
  if (sides.length === 2 ? missing < 1 : missing !== 0) return undefined;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function formatGroups(groups: readonly number[]): string {
  let from = 0;
  let length = 0;
  for (let i = 0; i < groups.length; i++) {
    let end = i;
    while (groups[end] === 0) end += 1;
    if (end - i > length) [from, length] = [i, end - i];
  }
  const text = (part: readonly number[]): string =>
    part.map((group) => group.toString(16)).join(":");
  // RFC 5952 section 4.2.2: a single zero group is written out.
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, from))}::${text(groups.slice(from + length))}`;
}
