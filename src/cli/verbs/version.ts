/** `nexus version`: what is running, for bug reports. */
import { VERSION } from "../../node/version.ts";
import type { CliContext } from "../context.ts";
import { SHAPES } from "../shapes.ts";

export const version = async (context: CliContext): Promise<void> => {
  const value = {
    tetrad: VERSION,
    protocol: 1,
    node: process.version,
    openssl: process.versions.openssl,
    platform: `${process.platform}-${process.arch}`,
  };
  const shapes = Object.entries(SHAPES).map(([verb, shape]) => [verb, shape.version]);
  context.print({ ...value, shapes: Object.fromEntries(shapes) }, Object.entries(value));
};
