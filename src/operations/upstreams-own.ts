import type { CallerContext } from './caller-context.ts';
import type { SealedOperation } from './operation-id.ts';

/** The shape of the vendor's ids. */
const upstreamIdPattern = /^[a-z0-9]{20}$/;
const knownForMs = 60_000;

/**
 * What an id of the upstream's own stands for, where each caller brings a
 * credential of the upstream: that decides who may see it. Its seed is not known.
 */
export function upstreamsOwn(
  id: string,
  { passthrough }: CallerContext,
  nowMs: number,
): SealedOperation | undefined {
  if (passthrough === undefined || !upstreamIdPattern.test(id)) return undefined;
  // Old enough that "not found" is no longer taken for "not yet".
  return { upstreamId: id, seed: 0n, acceptedAtMs: nowMs - knownForMs, form: 'vendor' };
}
