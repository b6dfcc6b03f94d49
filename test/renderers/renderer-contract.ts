import { describe, expect, it } from 'vitest';
import { imageFactsFromBytes } from '../../src/image/sniff.ts';
import {
  RendererError,
  type Attempt,
  type Renderer,
  type RenderPlan,
  type RenderRequest,
} from '../../src/renderers/renderer.ts';

/** A renderer with what stands behind it. */
export interface OpenedRenderer {
  readonly renderer: Renderer;
  /** Images asked for behind it so far; undefined where nothing is behind it. */
  readonly asked?: () => number;
  readonly close: () => Promise<void>;
}

const attempt: Attempt = {
  ...{ operationId: 'fbv0123456789abcdefg', number: 1, signal: new AbortController().signal },
  submitted: async () => undefined,
};

/** What every kind of renderer does. */
export function rendererContract(kind: string, open: () => Promise<OpenedRenderer>): void {
  async function opened<Result>(
    use: (renderer: Renderer, asked: () => number | undefined) => Promise<Result> | Result,
  ): Promise<Result> {
    const { renderer, asked = () => undefined, close } = await open();
    try {
      return await use(renderer, asked);
    } finally {
      await renderer.close();
      await close();
    }
  }
  const requestOf = (renderer: Renderer, wanted: Partial<RenderRequest> = {}): RenderRequest => ({
    modelUri: `art://folder/${renderer.models[0]?.name}/latest`,
    ...{ prompt: 'a red cat on a windowsill', negativePrompts: [], seed: 7n },
    ...{ ratio: undefined, mediaType: '', ...wanted },
  });

  describe(`a renderer of the kind ${kind}`, () => {
    it('has a card for each model, which callers can rely on', () =>
      opened((renderer) => {
        expect(renderer.models.length).toBeGreaterThan(0);
        for (const card of renderer.models) {
          expect(card.name).toMatch(/^[A-Za-z0-9._-]+$/);
          expect(card.mediaTypes.length).toBeGreaterThan(0);
          expect(card.promptCharactersMax).toBeGreaterThan(0);
          expect(card.seedMax ?? 1n).toBeGreaterThan(0n);
          const modelUri = `art://folder/${card.name}/latest`;
          expect(renderer.plan(requestOf(renderer, { modelUri })).model).toBe(card.name);
        }
      }));

    it('plans equal images equally, and in plain JSON', () =>
      opened((renderer, asked) => {
        const wanted = { negativePrompts: ['a dog'], ratio: { width: 3n, height: 2n } };
        const plan = renderer.plan(requestOf(renderer, wanted));
        expect(renderer.plan(requestOf(renderer, wanted))).toStrictEqual(plan);
        expect(JSON.parse(JSON.stringify(plan))).toStrictEqual(plan);
        expect(asked() ?? 0).toBe(0);
      }));

    it('plans sizes of its card within a quarter of the ratio', () =>
      opened((renderer) => {
        for (const [width, height] of [
          [1, 1],
          [3, 2],
          [2, 3],
          [16, 9],
          [9, 16],
        ] as const) {
          const ratio = { width: BigInt(width), height: BigInt(height) };
          const plan = renderer.plan(requestOf(renderer, { ratio }));
          const error = Math.abs(Math.log(plan.width / plan.height / (width / height)));
          expect(error).toBeLessThanOrEqual(Math.log(1.25));
        }
      }));

    it('plans a seed of its card where seeds count, and says what it ignores', () =>
      opened((renderer) => {
        const [card] = renderer.models;
        for (const seed of [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 63n - 1n]) {
          const plan = renderer.plan(requestOf(renderer, { seed, negativePrompts: ['a dog'] }));
          expect(plan.seed === undefined).toBe(card?.seedMax === undefined);
          expect(BigInt(plan.seed ?? 1)).toBeGreaterThan(0n);
          expect(BigInt(plan.seed ?? 1)).toBeLessThanOrEqual(card?.seedMax ?? 1n);
          const ignored = card?.hasNegativePrompts === true ? undefined : ['negative_prompt'];
          expect(plan.ignored).toStrictEqual(ignored);
        }
      }));

    it('refuses what it can’t make before anything is spent', () =>
      opened((renderer, asked) => {
        const max = renderer.models[0]?.promptCharactersMax ?? 0;
        const allWanted: Partial<RenderRequest>[] = [
          { prompt: '' },
          { seed: -1n },
          { mediaType: 'image/gif' },
          { mediaType: 'text/html' },
          { modelUri: 'art://folder/no-such-model/latest' },
          { modelUri: 'no-uri' },
          { ratio: { width: 0n, height: 1n } },
          { ratio: { width: 50n, height: 1n } },
        ];
        for (const wanted of allWanted) {
          const failure = failureOf(() => renderer.plan(requestOf(renderer, wanted)));
          expect(failure?.failure, JSON.stringify(Object.keys(wanted))).toBe('refused');
          expect(failure?.options.field).toBeDefined();
        }
        const long = { prompt: 'x'.repeat(max + 1) };
        const tooLong = failureOf(() => renderer.plan(requestOf(renderer, long)));
        expect(tooLong).toMatchObject({ failure: 'prompt_too_long' });
        expect(tooLong?.message).toBe(`Prompt positive size ${max + 1} exceeds limit (${max})`);
        expect(asked() ?? 0).toBe(0);
      }));

    it('makes one whole image of a plan that was stored meanwhile', () =>
      opened(async (renderer, asked) => {
        const wanted = requestOf(renderer, { ratio: { width: 1n, height: 1n } });
        const plan = JSON.parse(JSON.stringify(renderer.plan(wanted))) as RenderPlan;
        const image = await renderer.render(plan, attempt);
        expect(imageFactsFromBytes(image.bytes)?.mediaType).toBe(image.mediaType);
        expect(image.modelVersion).not.toBe('');
        expect(asked() ?? 1).toBe(1);
        if (!renderer.isRepeatable) return;
        const again = await renderer.render(plan, attempt);
        expect(Buffer.from(again.bytes).equals(image.bytes)).toBe(true);
      }));

    it('ends an attempt that is given up', () =>
      opened(async (renderer) => {
        const { signal } = { signal: AbortSignal.abort() };
        const plan = renderer.plan(requestOf(renderer));
        const end = await renderer.render(plan, { ...attempt, signal }).catch((error) => error);
        expect(end instanceof RendererError || 'bytes' in end).toBe(true);
      }));

    it('is probed at no cost, and is free, findable or asked once', () =>
      opened(async (renderer, asked) => {
        await renderer.probe();
        expect(asked() ?? 0).toBe(0);
        expect(['free', 'findable', 'once']).toContain(renderer.spend);
        expect(renderer.isRepeatable && renderer.spend !== 'free').toBe(false);
        expect(renderer.concurrency).toBeGreaterThan(0);
      }));
  });
}

function failureOf(task: () => unknown): RendererError | undefined {
  try {
    task();
    return undefined;
  } catch (error) {
    if (error instanceof RendererError) return error;
    throw error;
  }
}
