/** Flags that override settings of a node: those of `nexus start`, which `nexus config` explains. */

export type NodeFlags = {
  readonly listen?: string;
  readonly apiListen?: string;
  readonly apiInsecureBind?: boolean;
  readonly logLevel?: string;
  readonly passphraseFile?: string;
};

/** As loadConfig takes them. */
export const flagsOf = (options: NodeFlags): Record<string, unknown> => {
  const { listen, apiListen: api, apiInsecureBind, logLevel, passphraseFile } = options;
  return { listen, api, apiInsecureBind, logLevel, passphraseFile };
};
