import type { LimitState } from '../operations/create/admission.ts';

/** The headers `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10); none without limits. */
export function rateLimitHeaders(limits: readonly LimitState[]): Record<string, string> {
  if (limits.length === 0) return {};
  const policies = limits.map(({ name, quantity, windowS }) =>
    windowS === undefined ? `"${name}";q=${quantity}` : `"${name}";q=${quantity};w=${windowS}`,
  );
  const states = limits.map(
    ({ name, remaining, resetS }) => `"${name}";r=${remaining};t=${resetS}`,
  );
  return { 'ratelimit-policy': policies.join(', '), ratelimit: states.join(', ') };
}
