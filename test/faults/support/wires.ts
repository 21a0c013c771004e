/**
 * Four hosts on one Ethernet, as four network namespaces whose links end in a fifth with two switches.
 * Cutting a link or moving it to the other switch is what a partition is.
 */
import { join } from "node:path";
import { until } from "./clock.ts";
import type { Endpoint } from "./http.ts";
import { hold, root } from "./processes.ts";
import { Sandbox } from "./sandbox.ts";

export const QUIC_PORT = 4440;
export const API_PORT = 8440;

export type Host = {
  readonly index: number;
  readonly sandbox: Sandbox;
  readonly ipv6: string;
  readonly ipv4: string;
  /** Leads to [::1]:8440 on the host, whatever happens to its link. */
  readonly api: Endpoint;
};

const helper = (name: string): string => join(root, "test", "faults", "support", name);

export class Wires {
  readonly #hub: Sandbox;
  readonly hosts: readonly Host[];

  private constructor(hub: Sandbox, hosts: readonly Host[]) {
    this.#hub = hub;
    this.hosts = hosts;
  }

  static async open(count: number, socketFolder: string): Promise<Wires> {
    const hub = await Sandbox.open("networks");
    try {
      await hub.shell(
        "for n in 0 1; do ip link add switch$n type bridge; ip link set switch$n up; done",
      );
      const hosts: Host[] = [];
      for (let i = 0; i < count; i++) hosts.push(await addHost(hub, i, socketFolder));
      return new Wires(hub, hosts);
    } catch (error) {
      await hub.close();
      throw error;
    }
  }

  #host(index: number): Host {
    const host = this.hosts[index];
    if (host === undefined) throw new RangeError(`no host ${index}`);
    return host;
  }

  async setLink(index: number, state: "up" | "down"): Promise<void> {
    await this.#hub.shell(`ip link set port${index} ${state}`);
  }

  async plugInto(index: number, which: 0 | 1): Promise<void> {
    await this.#hub.shell(`ip link set port${index} master switch${which}`);
  }

  /** What the host hears when it sends datagrams to an address. */
  async probe(from: number, type: "udp4" | "udp6", host: string, port: number): Promise<string> {
    const { sandbox } = this.#host(from);
    const said = await sandbox.shell(
      `'${process.execPath}' '${helper("udp-probe.mjs")}' ${type} ${host} ${port}`,
    );
    return said.trim();
  }

  close(): Promise<void> {
    return this.#hub.close();
  }
}

const addHost = async (hub: Sandbox, index: number, socketFolder: string): Promise<Host> => {
  const sandbox = await hub.addNetwork();
  const ipv6 = `fd00:7e77::${index + 1}`;
  const ipv4 = `10.77.0.${index + 1}`;
  await hub.shell(
    `ip link add port${index} type veth peer name eth0 netns ${sandbox.pid}
     ip link set port${index} master switch0 up`,
  );
  await sandbox.shell(
    `ip link set lo up
     ip link set eth0 up
     ip addr add ${ipv4}/24 dev eth0
     ip addr add ${ipv6}/64 dev eth0 nodad`,
  );
  const socketPath = join(socketFolder, `api-${index}`);
  const proxy = hold([
    ...sandbox.prefix,
    process.execPath,
    helper("api-proxy.mjs"),
    socketPath,
    "::1",
    String(API_PORT),
  ]);
  let said = "";
  proxy.stdout?.on("data", (piece) => {
    said += piece;
  });
  await until("the way into the namespace is open", () => said.includes("listening"));
  return { index, sandbox, ipv6, ipv4, api: { socketPath } };
};
