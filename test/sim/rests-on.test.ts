/** I8, what a vote rests on: the certificate that ended the view before, also on a node whose data was lost. */
import { describe, expect, it } from "vitest";
import { FINALIZE, NOTARIZE, NULLIFY } from "../../sim/checkers/decode.ts";
import { viewsEndedDurably } from "../../sim/checkers/rests-on.ts";
import { createRig, keep, type Rig, say } from "./rig.ts";
import { HASH_A } from "./support.ts";

const notarize = (rig: Rig, view: number, epoch = 0): readonly string[] => {
  say(rig, 0, { view, epoch, kind: NOTARIZE, hash: HASH_A });
  return rig.found;
};

describe("a vote", () => {
  it("rests on a durable certificate of the view before, of whatever kind", () => {
    const rig = createRig(viewsEndedDurably);
    expect(notarize(rig, 1)).toEqual([]);
    keep(rig, 0, 1, NULLIFY);
    expect(notarize(rig, 2)).toEqual([]);
    keep(rig, 0, 2, FINALIZE);
    expect(notarize(rig, 3)).toEqual([]);
    keep(rig, 1, 3, NOTARIZE);
    expect(notarize(rig, 4)).toEqual(["I8"]);
  });
});

describe("a node whose data was lost", () => {
  /** It has voted in view 5, and a certificate lets it enter view 7. */
  const lost = (disk = "data"): Rig => {
    const rig = createRig(viewsEndedDurably);
    keep(rig, 0, 4, NOTARIZE);
    expect(notarize(rig, 5)).toEqual([]);
    keep(rig, 0, 6, NULLIFY);
    rig.checker.diskLost?.(0, disk);
    rig.checker.booted?.(0, 2, true);
    return rig;
  };

  it("goes on in the view that it had reached, by what is gone", () => {
    const rig = lost();
    say(rig, 0, { view: 5, kind: NULLIFY });
    expect(rig.found).toEqual([]);
    expect(notarize(rig, 6)).toEqual([]);
    expect(notarize(rig, 7)).toEqual([]);
    expect(lost("votes").found).toEqual([]);
    expect(notarize(lost("votes"), 6)).toEqual(["I8"]);
  });

  it("needs a certificate for each view above it, as before", () => {
    const rig = lost();
    keep(rig, 0, 7, FINALIZE);
    expect(notarize(rig, 8)).toEqual([]);
    expect(notarize(rig, 9)).toEqual(["I8"]);
    expect(notarize(lost(), 8)).toEqual(["I8"]);
  });

  it("needs one also in a later epoch, from its second view on", () => {
    const rig = lost();
    expect(notarize(rig, 1, 1)).toEqual([]);
    expect(notarize(rig, 2, 1)).toEqual(["I8"]);
  });

  it("has lost nothing that it needs before it has said or been given anything", () => {
    const rig = createRig(viewsEndedDurably);
    rig.checker.diskLost?.(0, "data");
    expect(notarize(rig, 2)).toEqual(["I8"]);
  });
});
