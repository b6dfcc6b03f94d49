import { systemClock } from '../../src/clock/system-clock.ts';
import { openLocalRenderer } from '../../src/renderers/local/local-renderer.ts';
import { openToAll } from '../../src/service/api-keys.ts';
import { openService, type Service, type ServiceOptions } from '../../src/service/service.ts';

const nothing = () => undefined;

export interface StartServiceOptions extends Partial<ServiceOptions> {
  readonly directory: string;
  /** Of the local drawing, where no renderer is given. */
  readonly delayMs?: number;
}

/** Starts a whole service on a free port, with the local drawing. Where it fails, the test does. */
export function startService(options: StartServiceOptions): Promise<Service> {
  const { delayMs = 0, renderer, ...others } = options;
  return openService({
    renderer:
      renderer ??
      openLocalRenderer({
        ...{ delayMs, promptCharactersMax: 500, models: ['yandex-art'], drawSeed: () => 42n },
      }),
    authenticator: openToAll,
    clock: systemClock,
    ...{ host: '127.0.0.1', port: 0, queuedMax: 1_000, deadlineMs: 3_600_000 },
    ...{ retentionMs: 86_400_000, imagesBytesMax: 2 ** 30, imageBytesMax: 1_048_576 },
    observer: {
      ...{ attemptEnded: nothing, recovered: nothing, late: nothing, writeFailed: nothing },
      ...{ ownershipChanged: nothing, backendChanged: nothing, dispatched: nothing },
      failed: (error) => {
        throw error;
      },
    },
    ...others,
  });
}
