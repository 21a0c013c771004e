/** `nexus dev kill|start NODE`: one node of a running development network ends as in a crash, or is back. */
import type { CliContext } from "../context.ts";
import { askControl } from "../dev/control.ts";

type KillOptions = { readonly hold: number };

export const devKill = async (
  context: CliContext,
  { hold }: KillOptions,
  node = "",
): Promise<void> => {
  const request = { action: "kill", node, holdMs: hold * 1000 } as const;
  const { pid } = await askControl(context.dir, request, context.signal);
  context.print({ node, state: "killed", pid: pid ?? null, holdSeconds: hold }, [
    ["node", node],
    ["state", "killed (SIGKILL)"],
    ["process", pid ?? null],
  ]);
  context.note(`it is started again in ${hold} s, or now by \`nexus dev start ${node}\``);
};

export const devStart = async (context: CliContext, _options: object, node = ""): Promise<void> => {
  const request = { action: "start", node } as const;
  const { pid } = await askControl(context.dir, request, context.signal);
  context.print({ node, state: "started", pid: pid ?? null }, [
    ["node", node],
    ["state", "started"],
    ["process", pid ?? null],
  ]);
};
