import { systemClock, systemRandom } from './clock/system-clock.ts';
import type { BackendSettingValues } from './config/backend-settings.ts';
import { openLocalRenderer } from './renderers/local/local-renderer.ts';
import type { OpenAiRenderer } from './renderers/openai/openai-renderer.ts';
import type { Renderer } from './renderers/renderer.ts';

/** The part of a log that the service writes to. */
export type ServiceLog = Readonly<
  Record<'info' | 'warn' | 'error', (fields: object, text: string) => void>
>;

/** The settings that decide what makes the service's images. */
export interface RendererSettings extends BackendSettingValues {
  readonly IMAGE_BYTES_MAX: number;
  /** Of local drawings. */
  readonly DRAWING_DELAY_MS: number;
  readonly PROMPT_CHARACTERS_MAX: number;
}

const probeAgainMinMs = 1_000;
const probeAgainMaxMs = 60_000;
const firstLookMsMax = 2_000;

/**
 * Opens the renderer that the settings name: a backend behind BACKEND_URL, else
 * the local drawing. A backend that is not there does not keep the service from
 * starting; it is looked for until it is.
 *
 * @throws Error when a file that a setting names can't be read.
 */
export async function openRenderer(settings: RendererSettings, log: ServiceLog): Promise<Renderer> {
  const drawSeed = () => systemRandom.seed();
  const { BACKEND_URL: url } = settings;
  if (url === undefined) {
    return openLocalRenderer({
      delayMs: settings.DRAWING_DELAY_MS,
      promptCharactersMax: settings.PROMPT_CHARACTERS_MAX,
      models: ['yandex-art'],
      drawSeed,
    });
  }
  // What only a backend needs is loaded with one: it takes a tenth of a second and 10 MB.
  const [{ backendSetup }, { backendSpendOf }, { openOpenAiRenderer }] = await Promise.all([
    import('./app-backend.ts'),
    import('./config/backend-settings.ts'),
    import('./renderers/openai/openai-renderer.ts'),
  ]);
  const renderer = openOpenAiRenderer({
    ...(await backendSetup(settings)),
    ...{ url, drawSeed, nowMs: () => systemClock.nowMs() },
    spend: backendSpendOf(settings),
    model: settings.BACKEND_MODEL,
    auth: settings.BACKEND_AUTH,
    headers: settings.BACKEND_HEADERS,
    params: settings.BACKEND_PARAMS,
    concurrency: settings.BACKEND_CONCURRENCY,
    timeoutMs: settings.BACKEND_TIMEOUT_MS,
    imageBytesMax: settings.IMAGE_BYTES_MAX,
    promptSyntax: settings.BACKEND_PROMPT_SYNTAX,
  });
  warnOfUnboundedSpend(renderer, settings, log);
  await firstLook(lookFor(renderer, settings, log));
  return renderer;
}

/** Waits a moment for the backend, so that a service that listens knows its models where that is possible. */
function firstLook(look: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const cancelTimer = systemClock.after(firstLookMsMax, resolve);
    void look.finally(() => {
      cancelTimer();
      resolve();
    });
  });
}

/**
 * Looks for the backend until it responds; says once what was found, and once
 * that it is not there yet. Never rejects.
 *
 * @returns Resolved when the first look has ended.
 */
function lookFor(
  renderer: OpenAiRenderer,
  settings: RendererSettings,
  log: ServiceLog,
): Promise<void> {
  const { closed } = renderer;
  const look = (againMs: number): Promise<void> =>
    renderer.probe().then(
      () => reportFound(factsOf(renderer, settings), log),
      (error: unknown) => {
        if (closed.aborted) return;
        if (againMs === probeAgainMinMs) {
          const line = { ...factsOf(renderer, settings), cause: causeOf(error) };
          log.warn(line, 'backend not found yet');
        }
        const nextMs = Math.min(2 * againMs, probeAgainMaxMs);
        const cancelTimer = systemClock.after(againMs, () => void look(nextMs));
        closed.addEventListener('abort', cancelTimer, { once: true });
      },
    );
  return look(probeAgainMinMs);
}

/** Why, with the code of the system or of TLS behind it: `ECONNREFUSED`, `CERT_HAS_EXPIRED`. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
  return code === undefined ? error.message : `${error.message} (${code})`;
}

/** A backend may serve a model that it does not list; a misspelt one fails at every image. */
function reportFound(facts: ReturnType<typeof factsOf>, log: ServiceLog): void {
  log[facts.isModelListed === false ? 'warn' : 'info'](facts, 'backend');
}

/** What a start says of its backend: who it is, and how its money is treated. */
function factsOf({ found, spend, concurrency }: OpenAiRenderer, settings: RendererSettings) {
  const { BACKEND_URL: url, BACKEND_MODEL: named } = settings;
  const { dialect, model, listed = [] } = found;
  const isGuess = named === undefined && listed.length > 1;
  const isUnknown = named !== undefined && listed.length > 0 && !listed.includes(named);
  return {
    url: url?.origin,
    dialect: dialect.name,
    model: model === '' ? undefined : model,
    ...(isGuess ? { modelsListed: listed.length, chooseModelBy: 'BACKEND_MODEL' } : {}),
    isModelListed: isUnknown ? false : undefined,
    spend,
    money: spend === 'free' ? 'asked three times at most' : 'asked at most once an image',
    imagesPerDayMax: settings.BACKEND_IMAGES_PER_DAY_MAX,
    concurrency,
  };
}

function warnOfUnboundedSpend(
  { spend }: Renderer,
  settings: RendererSettings,
  log: ServiceLog,
): void {
  if (spend === 'free' || settings.BACKEND_IMAGES_PER_DAY_MAX !== undefined) return;
  log.warn(
    { setting: 'BACKEND_IMAGES_PER_DAY_MAX' },
    'images of this backend cost money and have no limit a day',
  );
}
