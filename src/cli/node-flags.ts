/** Flags that override settings of a node: those of `nexus start`, which `nexus config` explains. */

export type NodeFlags = {
  readonly listen?: string;
  readonly apiListen?: string;
  readonly apiTlsCertificate?: string;
  readonly apiTlsKey?: string;
  readonly apiInsecureBind?: boolean;
  readonly logLevel?: string;
  readonly passphraseFile?: string;
};

/** As loadConfig takes them. */
export const flagsOf = (options: NodeFlags): Record<string, unknown> => {
  const { apiListen: api, ...same } = options;
  const { listen, apiTlsCertificate, apiTlsKey, apiInsecureBind, logLevel, passphraseFile } = same;
  return { listen, api, apiTlsCertificate, apiTlsKey, apiInsecureBind, logLevel, passphraseFile };
};
