import { backendWordsFromBody, withoutParts, type BackendWords } from '../backend-words.ts';
import type { HttpEnd, HttpResponse } from '../http-exchange.ts';
import { noImage } from '../image-from-bytes.ts';
import { isModerated, moderatedMessage } from '../moderation.ts';
import { RendererError, type RendererErrorOptions } from '../renderer.ts';

export interface FailureOptions {
  /** Whether a 429 may come after the work was passed on. */
  readonly is429Unknown: boolean;
  /** Texts that must not be repeated in a message: prompts, the key, the address. */
  readonly secrets: readonly string[];
  /** Wall time. */
  readonly nowMs: number;
}

const quotaCodes: ReadonlySet<string> = new Set([
  ...['insufficient_quota', 'billing_hard_limit_reached', 'billing_not_active'],
  ...['insufficient_balance', 'insufficient_credits', 'insufficient_funds'],
]);
/** For a proxy that keeps the words and replaces the code. */
const quotaWordings = /exceeded your current quota|billing hard limit/i;

const retryAfterMinMs = 1_000;
const retryAfterMaxMs = 600_000;
const wordsCharactersMax = 500;

/**
 * What the end of a paid POST means: nothing for a successful response, else
 * why there is no image. Judged in this order: not sent, incomplete, quota,
 * moderation, status.
 */
export function failureFromEnd(end: HttpEnd, options: FailureOptions): RendererError | undefined {
  switch (end.kind) {
    case 'not_sent':
      return new RendererError('not_sent', 'the image model could not be reached', {
        cause: end.cause,
      });
    case 'lost':
      return end.how === 'timeout'
        ? lost('did not respond in time', { lossCause: 'timeout', attemptsMax: 1 })
        : lost('closed the connection', { lossCause: 'reset', attemptsMax: 3, cause: end.cause });
    case 'too_large':
      return noImage('the image model returned more bytes than an image may have');
    case 'response':
      return isSuccess(end.status) ? undefined : failureFromStatus(end, options);
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function failureFromStatus(response: HttpResponse, options: FailureOptions): RendererError {
  const { status, headers, body } = response;
  const read = backendWordsFromBody(body);
  const words = { ...read, message: withoutParts(read.message, options.secrets) };
  const common = { requestId: requestIdOf(headers) };
  if (isQuota(status, words)) {
    return new RendererError('quota', 'the balance or quota at the image model is used up', common);
  }
  if (isModerated(status, words)) return new RendererError('moderated', moderatedMessage, common);
  switch (kindOfStatus(status, options)) {
    case 'busy':
      return new RendererError('busy', 'the image model is busy', {
        ...common,
        retryAfterMs: retryAfterMsOf(headers['retry-after'], options.nowMs),
      });
    case 'credential':
      return new RendererError('credential', 'the image model refused the credential', common);
    case 'misconfigured':
      return new RendererError('misconfigured', `the image model responded ${status}`, common);
    case 'refused': {
      const said = words.message.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
      const reason = said === '' ? `status ${status}` : said.slice(0, wordsCharactersMax);
      return new RendererError('refused', `the image model refused: ${reason}`, common);
    }
    case 'unknown':
      return lost(`responded ${status}`, {
        ...common,
        lossCause: 'status',
        attemptsMax: attemptsMaxOf(status),
      });
  }
}

function isQuota(status: number, { code, type, message }: BackendWords): boolean {
  return (
    status === 402 || quotaCodes.has(code) || quotaCodes.has(type) || quotaWordings.test(message)
  );
}

type StatusKind = 'busy' | 'credential' | 'misconfigured' | 'refused' | 'unknown';

function kindOfStatus(status: number, { is429Unknown }: FailureOptions): StatusKind {
  if (status >= 300 && status < 400) return 'misconfigured';
  switch (status) {
    case 429:
      return is429Unknown ? 'unknown' : 'busy';
    case 401:
    case 403:
      return 'credential';
    case 404:
    case 405:
    case 410:
    case 415:
    case 421:
      return 'misconfigured';
    case 400:
    case 413:
    case 422:
      return 'refused';
    default:
      return 'unknown';
  }
}

/** Attempts that a free backend is worth: a proxy's refusal may pass, a server's own failure hardly. */
function attemptsMaxOf(status: number): number {
  if ((status >= 502 && status <= 504) || status === 429) return 3;
  return status === 500 ? 2 : 1;
}

function lost(what: string, options: RendererErrorOptions): RendererError {
  return new RendererError('unknown', `the image model ${what}`, options);
}

/** Seconds or a date (RFC 9110, 10.2.3) → milliseconds, bounded; undefined where it is neither. */
export function retryAfterMsOf(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  // Date.parse takes more than dates: -5 would be a month of 2001.
  const isDate = /^[a-z]{3}/i.test(text);
  const ms = isDate ? Date.parse(text) - nowMs : Number(text) * 1_000;
  if (text === '' || Number.isNaN(ms) || (!isDate && ms < 0)) return undefined;
  return Math.min(Math.max(ms, retryAfterMinMs), retryAfterMaxMs);
}

const requestIdHeaders = ['x-request-id', 'request-id', 'apim-request-id', 'x-litellm-call-id'];

/** The backend's own id of a request, to find it in a bill. */
export function requestIdOf(headers: Readonly<Record<string, string>>): string | undefined {
  const value = requestIdHeaders.map((name) => headers[name]).find((id) => id !== undefined);
  return value !== undefined && /^[\x21-\x7e]{1,200}$/.test(value) ? value : undefined;
}
