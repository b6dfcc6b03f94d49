import { z } from 'zod';
import type { HttpEnd, HttpResponse } from '../http-exchange.ts';
import { RendererError } from '../renderer.ts';
import { dialects, type Dialect } from './dialects.ts';

/** What a backend says of itself in `GET /v1/models`, which costs nothing. */
export interface ModelList {
  /** Its names, in its order; undefined where it has no such list. */
  readonly models: readonly string[] | undefined;
  /** The dialect by which such a server is known; undefined where nothing tells. */
  readonly dialect: Dialect | undefined;
}

const listed = z.looseObject({
  id: z.string(),
  owned_by: z.string().catch(''),
  created: z.number().catch(0),
});
type ListedModel = z.output<typeof listed>;

const document = z.union([
  z.looseObject({ data: z.array(z.unknown()) }).transform(({ data }) => data),
  z.array(z.unknown()),
]);

/**
 * The list in the response. A server that has no such list is no failure: it may
 * make images all the same.
 *
 * @throws RendererError `not_sent` where no one responds, `credential` where ours is refused.
 */
export function modelListFromEnd(end: HttpEnd): ModelList {
  if (end.kind === 'not_sent' || end.kind === 'lost') {
    const cause = 'cause' in end ? end.cause : undefined;
    throw new RendererError('not_sent', 'the image model could not be reached', { cause });
  }
  if (end.kind === 'too_large') return { models: undefined, dialect: undefined };
  if (end.status === 401 || end.status === 403) {
    throw new RendererError('credential', 'the image model refused the credential');
  }
  if (end.status >= 500 || end.status === 408 || end.status === 429) {
    throw new RendererError('not_sent', 'the image model is not ready');
  }
  const items = end.status < 300 ? itemsOf(end.body) : undefined;
  return { models: items?.map(({ id }) => id), dialect: dialectOf(items ?? [], end) };
}

/** LiteLLM gives every model the same date, unless it was configured with another one. */
const litellmCreated = 1_677_610_602;

function dialectOf(items: readonly ListedModel[], { headers }: HttpResponse): Dialect | undefined {
  const isLitellm =
    Object.keys(headers).some((name) => name.startsWith('x-litellm-')) ||
    (items.length > 0 && items.every(({ created }) => created === litellmCreated));
  if (isLitellm) return dialects.litellm;
  const owner = items[0]?.owned_by ?? '';
  return Object.values(dialects).find(({ ownedBy }) => ownedBy?.test(owner));
}

function itemsOf(body: Buffer): readonly ListedModel[] | undefined {
  const entries = document.safeParse(jsonFrom(body)).data;
  const items = entries?.flatMap((entry) => listed.safeParse(entry).data ?? []);
  // A list of something else is no list of models.
  return items?.length === 0 && entries?.length !== 0 ? undefined : items;
}

function jsonFrom(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
