import { scopes, type Scope } from '../schemas/tokens.ts';
import type { Caller } from './caller.ts';

/** By what kind of credential somebody was told from others. */
export type CallerClass = 'anonymous' | 'key' | 'jwt' | 'token' | 'link' | 'passthrough';

/** Who asks, once that is settled. */
export interface Identity {
  readonly callerClass: CallerClass;
  /** Whose operations it may see: ids are sealed for it. */
  readonly tenant: string;
  /** Whose limits and idempotency keys it uses. The same as the tenant, but where callers bring credentials of the upstream. */
  readonly subject: string;
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
  /** When the link it came by stops to work, milliseconds since 1970. */
  readonly linkExpiresAtMs?: number;
}

export const everyScope: ReadonlySet<Scope> = new Set(scopes);
