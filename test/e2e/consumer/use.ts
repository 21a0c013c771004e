/** A small consumer of the package: compiled against its declarations, never run. */
import { ApiClient } from "tetrad/client";
import { BANK, type RunResult, simulate } from "tetrad/sim";

export const client: ApiClient = new ApiClient("http://[::1]:8440");

const first = BANK[0];
if (first === undefined) throw new Error("the bank is empty");
export const result: RunResult = simulate(first);
