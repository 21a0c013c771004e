/** Messages between a signer and its worker thread. Bytes are transferred, not copied. */

export type SignerRequest =
  | { readonly type: "start"; readonly publicKey: Uint8Array; readonly secretKey: Uint8Array }
  | { readonly type: "sign"; readonly message: Uint8Array }
  | { readonly type: "stop" };

export type SignerResponse =
  | { readonly type: "ready"; readonly cpuMs: number }
  | { readonly type: "signed"; readonly signature: Uint8Array; readonly cpuMs: number }
  | { readonly type: "failed"; readonly detail: string }
  | { readonly type: "stopped" };
