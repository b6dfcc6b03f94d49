/** The preferences of a request (RFC 7240). What can not be read is ignored, as the RFC says. */
export interface Preferences {
  /** Seconds to hold the response back, 0 … 60. */
  readonly waitS: number | undefined;
  readonly respondAsync: boolean;
  readonly handling: 'lenient' | 'strict' | undefined;
}

export const waitSecondsMax = 60;

const none: Preferences = { waitS: undefined, respondAsync: false, handling: undefined };
const preferencePattern = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s";,]+)))?$/;
const preferencesMax = 32;

/** Reads a Prefer header. Of a preference that stands twice, the first counts. */
export function preferencesFromHeader(header: string | string[] | undefined): Preferences {
  if (header === undefined) return none;
  const text = Array.isArray(header) ? header.join(',') : header;
  const preferences = new Map<string, string>();
  for (const item of text.split(',', preferencesMax)) {
    const match = preferencePattern.exec((item.split(';', 1)[0] ?? '').trim());
    const name = match?.[1]?.toLowerCase();
    if (name === undefined || preferences.has(name)) continue;
    preferences.set(name, match?.[2] ?? match?.[3] ?? '');
  }
  const wait = preferences.get('wait') ?? '';
  const handling = preferences.get('handling');
  return {
    waitS: /^[0-9]+$/.test(wait) ? Math.min(Number(wait), waitSecondsMax) : undefined,
    respondAsync: preferences.has('respond-async'),
    handling: handling === 'lenient' || handling === 'strict' ? handling : undefined,
  };
}

/**
 * The rest of a wait, in milliseconds. A wait counts from the arrival of the
 * request (RFC 7240, section 4.3), so the work done since then is part of it.
 * Both moments are in monotonic time.
 */
export function waitLeftMs(
  waitS: number,
  { receivedAtMs, elapsedMs }: { readonly receivedAtMs: number; readonly elapsedMs: number },
): number {
  const waitMs = waitS * 1000;
  return Math.min(waitMs, Math.max(0, receivedAtMs + waitMs - elapsedMs));
}

/** The value of Preference-Applied; undefined when no preference was followed. */
export function preferenceApplied(applied: {
  readonly waitS?: number | undefined;
  readonly respondAsync?: boolean;
  readonly handling?: 'lenient' | 'strict' | undefined;
}): string | undefined {
  const parts = [
    ...(applied.respondAsync === true ? ['respond-async'] : []),
    ...(applied.waitS === undefined ? [] : [`wait=${applied.waitS}`]),
    ...(applied.handling === undefined ? [] : [`handling=${applied.handling}`]),
  ];
  return parts.length === 0 ? undefined : parts.join(', ');
}
