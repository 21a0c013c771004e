/** The driver `reactor` is a library that may be missing or not load: what needs it is skipped then, aloud. */
import { loadReactor } from "../../src/transport/reactor-binding.ts";
import { skipUnlessCi } from "../faults/support/sandbox.ts";

const problem = await loadReactor().then(() => undefined, String);

/** For `beforeEach`: skips the test with the reason why the library does not load, and fails it where CI=true. */
export const needsReactor = (context: { skip(note?: string): never }): void =>
  skipUnlessCi(context, problem);
