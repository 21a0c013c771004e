/** What every verb is given: the terminal, global options, and where the network and the key are. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ApiClient } from "../client/api.ts";
import type { SignedChain } from "../client/submit.ts";
import { toHex } from "../crypto/bytes.ts";
import { TetradError } from "../errors.ts";
import { readGenesis } from "../node/read-genesis.ts";
import { FolderClient } from "./ask.ts";
import { type DevRecord, operatorKeyPath, readDevRecord } from "./dev/record.ts";
import {
  type CellStyle,
  type Format,
  formatFields,
  formatJson,
  formatNdjson,
  formatTable,
  paint,
  type Row,
  type Terminal,
} from "./output.ts";

export const DEFAULT_API = "http://[::1]:8440";
export const DEFAULT_DIR = ".tetrad";

export type GlobalOptions = {
  readonly api?: string;
  readonly dir?: string;
  readonly output?: Format;
  readonly quiet?: boolean;
};

export class CliContext {
  readonly terminal: Terminal;
  readonly options: GlobalOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Ends with the process's first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;

  constructor(
    terminal: Terminal,
    options: GlobalOptions,
    env: Readonly<Record<string, string | undefined>>,
    cwd: string,
    signal: AbortSignal,
  ) {
    this.terminal = terminal;
    this.options = options;
    this.env = env;
    this.cwd = cwd;
    this.signal = signal;
  }

  /** The folder of the development network; need not exist. */
  get dir(): string {
    return resolve(this.cwd, this.options.dir ?? this.env["NEXUS_DIR"] ?? DEFAULT_DIR);
  }

  get format(): Format {
    return this.options.output ?? "table";
  }

  /** The development network of the folder, if there is one. */
  dev(): DevRecord | undefined {
    return readDevRecord(this.dir);
  }

  /** Somebody has said which node to ask. */
  get apiIsNamed(): boolean {
    return (this.options.api ?? this.env["NEXUS_API"] ?? "") !== "";
  }

  /** The address to ask: flag, variable, first node of the development network, default. */
  apiUrl(): string {
    const given = this.options.api ?? this.env["NEXUS_API"];
    if (given !== undefined && given !== "") return given;
    const first = this.dev()?.nodes[0];
    return first === undefined ? DEFAULT_API : `http://${first.api}`;
  }

  /** Where the address is the folder's, the node must be of the folder's network: folder.foreign. */
  client(): ApiClient {
    const url = this.apiUrl();
    const known = this.apiIsNamed ? undefined : this.dev();
    return known === undefined ? new ApiClient(url) : new FolderClient(url, known.chainId);
  }

  /** The folder's genesis, where the folder says which network is meant; undefined where --api alone does. */
  genesisFile(): string | undefined {
    const isNamed = (this.options.dir ?? this.env["NEXUS_DIR"]) !== undefined;
    const path = join(this.dir, "genesis.json");
    return (this.apiIsNamed && !isNamed) || !existsSync(path) ? undefined : path;
  }

  /** The chain of that genesis: what is signed is for this one, whatever the node says of itself. */
  signedChain(): SignedChain | undefined {
    const path = this.genesisFile();
    if (path === undefined) return undefined;
    const { genesis, hash } = readGenesis(path);
    const { chainId, proofs } = genesis;
    return { chainId, genesisHash: toHex(hash), work: proofs.work };
  }

  /** The key to sign with: flag, variable, operator key of the development network. */
  keyFile(flag: string | undefined): string {
    const given = flag ?? this.env["NEXUS_KEY"];
    if (given !== undefined && given !== "") return resolve(this.cwd, given);
    const operator = operatorKeyPath(this.dir);
    if (existsSync(operator)) return operator;
    throw new TetradError(
      "cli.usage",
      `no key to sign with: ${operator} is not there; ` +
        "start a development network with `npm start`, or give --key FILE",
    );
  }

  /** Prints a thing, or a list of which people see `fields`, in the format asked for. */
  print(value: unknown, fields: readonly (readonly [string, string | number | null])[]): void {
    const { terminal } = this;
    if (this.format === "json") terminal.out(formatJson(value));
    else if (this.format === "ndjson") {
      for (const item of Array.isArray(value) ? value : [value]) terminal.out(formatNdjson(item));
    } else terminal.out(formatFields(fields, terminal.colorOut));
  }

  /** Prints a list in the format asked for: JSON is one array, NDJSON an item a line, a table the rows. */
  printList(
    items: readonly unknown[],
    columns: readonly string[],
    rows: readonly Row[],
    style?: CellStyle,
  ): void {
    const { terminal } = this;
    if (this.format === "json") terminal.out(formatJson(items));
    else if (this.format === "ndjson") {
      for (const item of items) terminal.out(formatNdjson(item));
    } else terminal.out(formatTable(columns, rows, terminal.colorOut, style));
  }

  /** A note for people; not with --quiet. */
  note(text: string): void {
    if (this.options.quiet !== true) this.terminal.err(`${text}\n`);
  }

  /** What could be done next. Only where a person is looking. */
  suggest(...commands: readonly string[]): void {
    if (!this.terminal.outIsTerminal || this.format !== "table") return;
    for (const command of commands) {
      this.note(`${paint(this.terminal.colorErr, "dim", "next:")} ${command}`);
    }
  }
}
