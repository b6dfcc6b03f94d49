/** A value that JSON can hold. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** The same with bytes in place of some values. They are written as strings of base64. */
export type JsonWithBytes =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | readonly JsonWithBytes[]
  | { readonly [name: string]: JsonWithBytes };
