/** A session whose streams cannot be opened: whether that is the peer's doing. */
import { describe, expect, it } from "vitest";
import { BEFORE_HELLO } from "../../src/transport/lane.ts";
import { CONTROL, HELLO, openScripted } from "./scripted-session.ts";

/** One that is opened at once, and the one that waits for the peer's hello. */
describe.each([1, BEFORE_HELLO.length + 1])("our stream number %i", (stream) => {
  const open = (hasEnded: boolean) => {
    const scripted = openScripted({ unopened: { stream, hasEnded } });
    scripted.arrive(CONTROL, HELLO);
    scripted.service();
    return scripted;
  };

  it("is the peer's to allow", () => {
    const { ends } = open(false);
    expect(ends).toEqual(["transport.protocol"]);
  });

  it("does not open where the connection has ended, and the peer is charged with nothing", () => {
    const { ends, session, ended } = open(true);
    expect([ends, session.isUp]).toEqual([[], false]);
    ended({ by: "driver", isApp: false, code: 0, reason: "the library's thread does not answer" });
    expect(ends).toEqual([undefined]);
  });
});
