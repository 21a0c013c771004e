/** Which node a command about one node's own folder means: --config, or --node of the folder's network. */
import { resolve } from "node:path";
import { TetradError } from "../errors.ts";
import { nodePaths } from "../node/folder.ts";
import type { CliContext } from "./context.ts";

export type NodeOptions = { readonly config?: string; readonly node?: string };

/** Path of its configuration file; the first node where none is named. Throws cli.usage. */
export const configOf = (context: CliContext, options: NodeOptions): string => {
  if (options.config !== undefined) return resolve(context.cwd, options.config);
  const nodes = context.dev()?.nodes ?? [];
  if (options.node !== undefined && nodes.length > 0) {
    const names = nodes.map(({ name }) => name);
    if (!names.includes(options.node)) {
      throw new TetradError(
        "cli.usage",
        `no node "${options.node}"; there are ${names.join(", ")}`,
      );
    }
  }
  const node = nodes.find((known) => known.name === (options.node ?? nodes[0]?.name));
  if (node === undefined) {
    throw new TetradError(
      "cli.usage",
      "name the node: --config FILE, or --node of the dev network",
    );
  }
  return nodePaths(resolve(context.dir, node.folder)).config;
};
