/** What `nexus doctor` says of a node's sectors. */
import { describe, expect, it } from "vitest";
import { spaceFinding } from "../../src/cli/doctor-space.ts";

const sector = (number: number, fromEpoch: number | null, endEpoch: number) => ({
  ...{ number, fromEpoch, endEpoch },
});
const live = { provenEpoch: 7, sectors: [sector(0, 1, 8_760)] };

describe("sectors, to the doctor", () => {
  it("are well where as many count as are wanted, or more", () => {
    expect(spaceFinding(live, 7, 1)).toEqual({
      ...{ check: "space", state: "ok" },
      found: "1 of 1 sectors count; epoch 7 is the last one answered, 7 runs",
    });
    expect(spaceFinding(live, 8, 0)?.state).toBe("ok");
    expect(spaceFinding(null, 8, 0)).toBeUndefined();
  });

  it("are told of where one is missing, with what to do", () => {
    const over = { provenEpoch: 1, sectors: [sector(0, 0, 1)] };
    expect(spaceFinding(over, 7, 1)).toMatchObject({ state: "warn", check: "space" });
    expect(spaceFinding(over, 7, 1)?.found).toContain("sector 0 counts no more");
    expect(spaceFinding(over, 7, 0)?.todo).toContain("space_sectors is 0");
    expect(spaceFinding(null, 7, 1)?.found).toBe("no sector is committed to");
    expect(spaceFinding(live, 7, 2)).toMatchObject({
      state: "warn",
      found: expect.stringContaining("1 of 2 sectors count"),
    });
    expect(spaceFinding(live, 9, 1)?.found).toContain("last epoch that was answered is 7");
  });
});
