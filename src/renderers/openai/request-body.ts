import type { RenderPlan } from '../renderer.ts';
import type { Dialect } from './dialects.ts';

export interface BodyOptions {
  readonly dialect: Dialect;
  /** The backend's name of the model; empty where it has only one and needs none. */
  readonly model: string;
  /** The operator's own fields: null leaves a field out. They replace any but the model, the prompt and the number. */
  readonly params: Readonly<Record<string, unknown>>;
}

/** The body of the one POST that makes an image: always one image. */
export function requestBody(plan: RenderPlan, { dialect, model, params }: BodyOptions): string {
  const { prompt, negativePrompts, seed, mediaType } = plan;
  const fields = {
    ...dialect.sizeFields(plan),
    ...dialect.fields,
    ...(dialect.hasOutputFormat === true ? { output_format: mediaType.replace('image/', '') } : {}),
    ...(dialect.seedMax === undefined || seed === undefined ? {} : { seed: Number(seed) }),
    ...(negativePrompts.length > 0 ? { negative_prompt: negativePrompts.join(', ') } : {}),
    ...params,
  };
  const kept = Object.entries(fields).filter(([, value]) => value !== null);
  return JSON.stringify({
    ...Object.fromEntries(kept),
    ...(model === '' ? {} : { model }),
    prompt,
    n: 1,
  });
}
