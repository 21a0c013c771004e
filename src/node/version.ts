/** The version of this program, read from its package.json: beside src/ in a checkout, above dist/ else. */
import { existsSync, readFileSync } from "node:fs";

const read = (): string => {
  for (const up of ["../../package.json", "../../../package.json"]) {
    const path = new URL(up, import.meta.url);
    if (!existsSync(path)) continue;
    const { version } = JSON.parse(readFileSync(path, "utf8")) as { readonly version?: unknown };
    if (typeof version === "string") return version;
  }
  return "unknown";
};

export const VERSION: string = read();
