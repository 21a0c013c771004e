/** Messages between the keyring of epochs and its worker thread; answers carry the number of their request. */

export type EpochKeyRequest =
  | { readonly type: "start"; readonly sealingKey: Uint8Array }
  /** A key out of its file. */
  | { readonly type: "open"; readonly id: number; readonly file: Uint8Array }
  | { readonly type: "make"; readonly id: number; readonly epoch: number }
  | {
      readonly type: "sign";
      readonly id: number;
      readonly publicKey: Uint8Array;
      readonly message: Uint8Array;
    }
  | { readonly type: "wipe"; readonly publicKey: Uint8Array }
  | { readonly type: "stop" };

export type EpochKeyResponse =
  | {
      readonly type: "opened";
      readonly id: number;
      readonly epoch: number;
      readonly publicKey: Uint8Array;
    }
  /** The bytes of its file, sealed. */
  | {
      readonly type: "made";
      readonly id: number;
      readonly publicKey: Uint8Array;
      readonly file: Uint8Array;
    }
  | { readonly type: "signed"; readonly id: number; readonly signature: Uint8Array }
  /** The request came to nothing. */
  | { readonly type: "refused"; readonly id: number; readonly detail: string }
  | { readonly type: "stopped" };
