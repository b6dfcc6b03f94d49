import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

/** The log for failed fetches of keys. */
export interface IssuerKeysLog {
  warn(details: object, message: string): void;
}

/** The public keys of a JWT issuer (RFC 7517), as its endpoint publishes them. */
export interface IssuerKeys {
  /** The keys, when the key of this id may be among them; else undefined. Never rejects. */
  keysFor(kid: string | undefined): Promise<JWTVerifyGetKey | undefined>;
  /** Stops fetching. */
  close(): void;
}

export interface IssuerKeysOptions {
  readonly url: URL;
  /** Monotonic milliseconds: a clock that is set must neither keep old keys nor stop their refresh. */
  readonly elapsedMs: () => number;
  readonly log?: IssuerKeysLog | undefined;
}

const refreshMs = 10 * 60_000;
// Old keys are better than a gateway that stops when the issuer's endpoint does, but not for ever.
const keysMaxAgeMs = 24 * 60 * 60_000;
const retryMs = 10_000;
const unknownKidRefetchMs = 30_000;
const unknownKidMemoryMs = 60_000;
const unknownKidsMax = 1_000;
const kidLengthMax = 256;
const fetchTimeoutMs = 5_000;
const documentBytesMax = 256 * 1024;

interface Keys {
  readonly byToken: JWTVerifyGetKey;
  readonly kids: ReadonlySet<string>;
  readonly fetchedAtMs: number;
}

/**
 * Opens the keys without fetching any; the first token does that. From then on
 * a timer keeps them fresh, used or not: a key that the issuer removed at night
 * must not be accepted for the first token of the morning.
 */
export function openIssuerKeys({ url, elapsedMs, log }: IssuerKeysOptions): IssuerKeys {
  let keys: Keys | undefined;
  let fetching: Promise<void> | undefined;
  let fetchedFor = { anyAtMs: -Infinity, unknownKidAtMs: -Infinity };
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const unknownUntilMs = new Map<string, number>();

  const fetchOnce = async () => {
    const startedAtMs = elapsedMs();
    try {
      keys = keysFromDocument(await fetchDocument(url), startedAtMs);
    } catch (error) {
      log?.warn({ err: error }, 'keys of the JWT issuer not fetched');
    }
    fetching = undefined;
  };
  /** Starts a fetch, or joins the one that runs. */
  const refetch = () => {
    if (closed) return;
    fetchedFor = { ...fetchedFor, anyAtMs: elapsedMs() };
    timer ??= setInterval(() => void refetch(), refreshMs).unref();
    fetching ??= fetchOnce();
    return fetching;
  };
  const held = () =>
    keys !== undefined && elapsedMs() - keys.fetchedAtMs < keysMaxAgeMs ? keys : undefined;
  const refetchWhenDue = async () => {
    const mayTry = elapsedMs() - fetchedFor.anyAtMs >= retryMs;
    const current = held();
    if (current === undefined) return mayTry ? refetch() : fetching;
    // Not awaited: the keys at hand are still valid.
    if (mayTry && elapsedMs() - current.fetchedAtMs >= refreshMs) void refetch();
  };
  /** Waits for a fetch because of an unknown id. Unknown ids cause one fetch in 30 s, which all of them share. */
  const refetchForUnknownKid = async (kid: string) => {
    const untilMs = unknownUntilMs.get(kid);
    if (untilMs !== undefined && elapsedMs() < untilMs) return;
    // A fetch that runs already may have begun before the key was published.
    await fetching;
    if (held()?.kids.has(kid) === true) return;
    if (elapsedMs() - fetchedFor.unknownKidAtMs >= unknownKidRefetchMs) {
      fetchedFor = { ...fetchedFor, unknownKidAtMs: elapsedMs() };
      void refetch();
    }
    if (fetching === undefined) return;
    await fetching;
    remember(unknownUntilMs, kid, elapsedMs() + unknownKidMemoryMs);
  };
  return {
    async keysFor(kid) {
      if (kid !== undefined && kid.length > kidLengthMax) return undefined;
      await refetchWhenDue();
      const current = held();
      if (current === undefined || kid === undefined || current.kids.has(kid)) {
        return current?.byToken;
      }
      await refetchForUnknownKid(kid);
      const fresh = held();
      return fresh?.kids.has(kid) === true ? fresh.byToken : undefined;
    },
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

/** Remembers an unknown id. The oldest is forgotten when there are many: that costs at most the next fetch that is due anyway. */
function remember(untilMsOf: Map<string, number>, kid: string, untilMs: number): void {
  untilMsOf.delete(kid);
  untilMsOf.set(kid, untilMs);
  if (untilMsOf.size <= unknownKidsMax) return;
  const [oldest] = untilMsOf.keys();
  if (oldest !== undefined) untilMsOf.delete(oldest);
}

function keysFromDocument(document: unknown, fetchedAtMs: number): Keys {
  // Checks the form of the document; an unusable key fails only the tokens signed with it.
  const byToken = createLocalJWKSet(document as JSONWebKeySet);
  const kids = byToken.jwks().keys.flatMap(({ kid }) => (typeof kid === 'string' ? [kid] : []));
  return { byToken, kids: new Set(kids), fetchedAtMs };
}

/** Fetches the JWK set. A redirect is refused: a setting decides who publishes keys, not a response. */
async function fetchDocument(url: URL): Promise<unknown> {
  const response = await fetch(url, {
    redirect: 'error',
    signal: AbortSignal.timeout(fetchTimeoutMs),
    headers: { accept: 'application/jwk-set+json, application/json' },
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the endpoint responded with ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > documentBytesMax) throw new Error(`more than ${documentBytesMax} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
