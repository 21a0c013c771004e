/** Messages between a signer and its worker thread. Bytes are transferred, not copied. */
import type { SigningImplementation } from "./checked-signer.ts";

export type SignerRequest =
  | { readonly type: "start"; readonly publicKey: Uint8Array; readonly secretKey: Uint8Array }
  | { readonly type: "sign"; readonly message: Uint8Array }
  | { readonly type: "stop" };

export type SignerResponse =
  | {
      readonly type: "ready";
      readonly implementation: SigningImplementation;
      readonly cpuMs: number;
    }
  | { readonly type: "fault"; readonly detail: string }
  | {
      readonly type: "signed";
      readonly signature: Uint8Array;
      readonly implementation: SigningImplementation;
      readonly cpuMs: number;
    }
  | { readonly type: "failed"; readonly detail: string }
  | { readonly type: "stopped" };
