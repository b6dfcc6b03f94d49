import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

/** Where failures to fetch keys are told; a pino logger is one. */
export interface IssuerKeysLog {
  warn(details: object, message: string): void;
}

/** The public keys of an issuer (RFC 7517), as its endpoint publishes them. */
export interface IssuerKeys {
  /** The keys, when the one of this id may be among them; undefined when it is not. Never throws. */
  keysFor(kid: string | undefined): Promise<JWTVerifyGetKey | undefined>;
  /** Stops fetching. */
  close(): void;
}

export interface IssuerKeysOptions {
  readonly url: URL;
  readonly nowMs: () => number;
  readonly log?: IssuerKeysLog | undefined;
}

const refreshMs = 10 * 60_000;
// Rather old keys than a gateway that stops with the issuer's endpoint, but not for ever.
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
 * Fetches nothing before the first token. After that a timer keeps the keys
 * fresh, used or not: a key that the issuer withdrew overnight must not open
 * the gateway to the first token of the morning.
 */
export function openIssuerKeys({ url, nowMs, log }: IssuerKeysOptions): IssuerKeys {
  let keys: Keys | undefined;
  let fetching: Promise<void> | undefined;
  let fetchedFor = { anyAtMs: -Infinity, unknownKidAtMs: -Infinity };
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const unknownUntilMs = new Map<string, number>();

  const fetchOnce = async () => {
    const startedAtMs = nowMs();
    try {
      keys = keysFromDocument(await fetchDocument(url), startedAtMs);
    } catch (error) {
      log?.warn({ err: error }, 'the keys that tokens are signed with can not be fetched');
    }
    fetching = undefined;
  };
  /** One fetch at a time: who comes while one runs waits for that one. */
  const refetch = () => {
    if (closed) return;
    fetchedFor = { ...fetchedFor, anyAtMs: nowMs() };
    timer ??= setInterval(() => void refetch(), refreshMs).unref();
    fetching ??= fetchOnce();
    return fetching;
  };
  const held = () =>
    keys !== undefined && nowMs() - keys.fetchedAtMs < keysMaxAgeMs ? keys : undefined;
  const refetchWhenDue = async () => {
    const mayTry = nowMs() - fetchedFor.anyAtMs >= retryMs;
    const current = held();
    if (current === undefined) return mayTry ? refetch() : fetching;
    // Not waited for: the keys at hand still hold.
    if (mayTry && nowMs() - current.fetchedAtMs >= refreshMs) void refetch();
  };
  /** Waits for the one fetch that unknown ids may cause in their 30 s, whoever started it. */
  const refetchForUnknownKid = async (kid: string) => {
    const untilMs = unknownUntilMs.get(kid);
    if (untilMs !== undefined && nowMs() < untilMs) return;
    // One that runs already may have asked before the key was published.
    await fetching;
    if (held()?.kids.has(kid) === true) return;
    if (nowMs() - fetchedFor.unknownKidAtMs >= unknownKidRefetchMs) {
      fetchedFor = { ...fetchedFor, unknownKidAtMs: nowMs() };
      void refetch();
    }
    if (fetching === undefined) return;
    await fetching;
    remember(unknownUntilMs, kid, nowMs() + unknownKidMemoryMs);
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

/** The oldest goes when it is full: forgetting one costs at most the next fetch that is due anyway. */
function remember(untilMsOf: Map<string, number>, kid: string, untilMs: number): void {
  untilMsOf.delete(kid);
  untilMsOf.set(kid, untilMs);
  if (untilMsOf.size <= unknownKidsMax) return;
  const [oldest] = untilMsOf.keys();
  if (oldest !== undefined) untilMsOf.delete(oldest);
}

function keysFromDocument(document: unknown, fetchedAtMs: number): Keys {
  // Checks the shape; a key it can not use fails the tokens of that key only.
  const byToken = createLocalJWKSet(document as JSONWebKeySet);
  const kids = byToken.jwks().keys.flatMap(({ kid }) => (typeof kid === 'string' ? [kid] : []));
  return { byToken, kids: new Set(kids), fetchedAtMs };
}

/** A redirect is refused: who may publish keys is a setting, not an answer. */
async function fetchDocument(url: URL): Promise<unknown> {
  const response = await fetch(url, {
    redirect: 'error',
    signal: AbortSignal.timeout(fetchTimeoutMs),
    headers: { accept: 'application/jwk-set+json, application/json' },
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the endpoint answered ${response.status}`);
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
