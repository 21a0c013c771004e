/** How the files of `nexus time` are read: all of a text, or what is wrong with it and where. */
import { fail, ok, type Result } from "../../errors.ts";
import { parseStrictJson, Wrong } from "../../ledger/strict-json.ts";
import { LIMITS } from "../../limits.ts";

/** What `fileAt` makes of the JSON of a text. Code: time.proof-malformed; data.path says where. */
export const readStrict = <T>(text: string, fileAt: (json: unknown) => T): Result<T> => {
  if (text.length > LIMITS.timeFileCharactersMax) {
    return fail("time.proof-malformed", `over ${LIMITS.timeFileCharactersMax} characters`);
  }
  try {
    return ok(fileAt(parseStrictJson(text)));
  } catch (error) {
    if (error instanceof Wrong) {
      const where = error.path === "" ? "" : `${error.path}: `;
      return fail("time.proof-malformed", `${where}${error.message}`, { path: error.path });
    }
    if (error instanceof SyntaxError) return fail("time.proof-malformed", "not JSON");
    throw error;
  }
};
