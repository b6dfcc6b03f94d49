import { scopes, type Scope } from '../schemas/tokens.ts';

/** What one caller may use. An absent limit is none. */
export interface CallerLimits {
  /** Models it may use: a name, `name/version`, or a whole `art://` URI each. Absent: every one. */
  readonly models?: readonly string[] | undefined;
  readonly imagesPerMinuteMax?: number | undefined;
  /** Images being made at the same time. */
  readonly concurrentImagesMax?: number | undefined;
  /** By the calendar day in UTC. */
  readonly imagesPerDayMax?: number | undefined;
}

/** A person or program that may ask for images, with its limits. */
export interface Caller extends CallerLimits {
  /** Unique in the gateway, and stable: operations and limits belong to this name. */
  readonly name: string;
}

/** The kind of credential that a request was identified by. */
export type CallerClass = 'anonymous' | 'key' | 'jwt' | 'token' | 'link' | 'passthrough';

/** The caller of one request, and what its credential allows. */
export interface Identity {
  readonly callerClass: CallerClass;
  /** Whose operations it may see: ids are sealed for it. */
  readonly tenant: string;
  /** Whose limits it uses. The same as the tenant, except where callers bring credentials of the upstream. */
  readonly subject: string;
  /**
   * Whose idempotency keys it uses: the subject's, except that each browser's token has its own.
   * A page could otherwise take a key before its caller does, or before another page.
   */
  readonly keysOf: string;
  readonly caller: Caller;
  readonly scopes: ReadonlySet<Scope>;
  /** Whether it may make tokens for others to use. */
  readonly mayDelegate: boolean;
  /** The caller's own credential for the upstream. */
  readonly passthrough?: { readonly authorization: string; readonly view: string };
  /** Images that the token it came with may have made. */
  readonly allowance?: {
    readonly tokenId: string;
    readonly imagesMax: number;
    readonly keepMs: number;
  };
  /** The API key behind the credential, where there is one. Tokens and links that it is given end with that key. */
  readonly keyId?: string | undefined;
  /** When the credential ends, milliseconds since 1970; absent when it does not. Links that it is given end then too. */
  readonly expiresAtMs?: number | undefined;
}

export const everyScope: ReadonlySet<Scope> = new Set(scopes);
