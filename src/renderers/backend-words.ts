import { z } from 'zod';

/** What a backend says about a failure; an empty text where it says nothing. */
export interface BackendWords {
  readonly code: string;
  readonly type: string;
  readonly innerCode: string;
  readonly message: string;
}

const text = z.union([z.string(), z.number().transform(String)]).catch('');
const inner = z.looseObject({ code: text }).catch({ code: '' });
const problem = z.looseObject({
  code: text,
  type: text,
  message: text,
  inner_error: inner,
  innererror: inner,
});
const violation = z.looseObject({ msg: text }).catch({ msg: '' });
const document = z.looseObject({
  error: z.union([problem, z.string()]).optional().catch(undefined),
  detail: z
    .union([z.string(), z.array(violation), z.looseObject({ error: text, message: text })])
    .optional()
    .catch(undefined),
  code: text,
  type: text,
  message: text,
});

const messageCharactersMax = 2_000;

/** Reads the error body of any of the forms that servers use: OpenAI's, FastAPI's, a plain text. */
export function backendWordsFromBody(body: Buffer): BackendWords {
  const parsed = document.safeParse(jsonFrom(body));
  if (!parsed.success) return { code: '', type: '', innerCode: '', message: '' };
  const { error, detail, code, type, message } = parsed.data;
  const nested = typeof error === 'object' ? error : undefined;
  const said = [
    nested?.message,
    typeof error === 'string' ? error : undefined,
    textOfDetail(detail),
    message,
  ].find((words) => words !== undefined && words !== '');
  return {
    code: nested?.code || code,
    type: nested?.type || type,
    innerCode: nested?.inner_error.code || nested?.innererror.code || '',
    message: (said ?? '').slice(0, messageCharactersMax),
  };
}

function textOfDetail(detail: z.output<typeof document>['detail']): string | undefined {
  if (detail === undefined || typeof detail === 'string') return detail;
  if (Array.isArray(detail)) return detail.map(({ msg }) => msg).join('; ');
  return detail.error || detail.message;
}

function jsonFrom(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** So many characters in a row that are also in a secret are a part of it. */
const partCharacters = 12;

/** A text without what stands in `secrets`: whole short ones, and every longer part of the others. */
export function withoutParts(text: string, secrets: readonly string[]): string {
  return secrets.reduce((left, secret) => withoutPartsOf(left, secret.trim()), text);
}

function withoutPartsOf(text: string, secret: string): string {
  if (secret.length < partCharacters) {
    return secret.length < 3 ? text : text.replaceAll(secret, '…');
  }
  let left = '';
  let at = 0;
  while (at < text.length) {
    let length = partCharacters;
    const isPart = at + length <= text.length && secret.includes(text.slice(at, at + length));
    if (isPart) {
      while (at + length < text.length && secret.includes(text.slice(at, at + length + 1))) {
        length += 1;
      }
      left += '…';
      at += length;
    } else {
      left += text.charAt(at);
      at += 1;
    }
  }
  return left;
}
