/** The reactor's library where it is missing for a while: it is asked for again. */
import { expect, it, vi } from "vitest";

const state = vi.hoisted(() => ({ isMissing: true }));

vi.mock("@currentspace/http3", () => {
  if (state.isMissing) throw new Error("Cannot find package");
  const nothing = (): never => {
    throw new Error("of no use here");
  };
  const QuicStream = class {
    _destroy(): void {}
    _pushData(): void {}
  };
  return { createQuicServer: nothing, connectQuic: nothing, QuicStream };
});

it("is loaded by the next who asks where it was missing", async () => {
  const { loadReactor } = await import("../../src/transport/reactor-binding.ts");
  await expect(loadReactor()).rejects.toThrow();
  state.isMissing = false;
  await expect(loadReactor()).resolves.toBeDefined();
});
