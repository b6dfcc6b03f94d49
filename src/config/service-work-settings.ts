import { setting, type Setting } from './setting-declaration.ts';
import { integer, text } from './setting-values.ts';

const dayMs = 86_400_000;

/** Settings of the work of the image service, whether it is embedded in a gateway or a process of its own. */
export const serviceWorkSettings = {
  SERVICE_DIR: setting(text.optional(), {
    default: 'DATA_DIR/service',
    meaning: 'Where the service keeps operations and images. On a local disk.',
  }),
  QUEUE_MAX: setting(integer({ min: 1, max: 100_000 }).default(1_000), {
    default: '1000',
    meaning:
      'Operations that may wait; further ones are refused. Above half of it, an owner may hold no more than an equal share.',
  }),
  OPERATION_DEADLINE_MS: setting(integer({ min: 1_000, max: 7 * dayMs }).default(3_600_000), {
    default: '3600000',
    meaning: 'How long an operation may wait before it is given up.',
  }),
  RETENTION_MS: setting(integer({ min: 60_000, max: 365 * dayMs }).default(3 * dayMs), {
    default: '259200000',
    meaning: 'How long an operation and its image are kept after the end.',
  }),
  IMAGES_BYTES_MAX: setting(integer({ min: 1_048_576, max: 2 ** 45 }).default(4 * 1_073_741_824), {
    default: '4294967296',
    meaning:
      'Bytes of all images on disk. Local drawings give way and are drawn again; other images keep new operations out.',
  }),
  DRAWING_DELAY_MS: setting(integer({ min: 0, max: dayMs }).default(3_000), {
    default: '3000',
    meaning: 'Time from Generate to the local drawing. `EMULATOR_LATENCY_MS` is its older name.',
    alias: 'EMULATOR_LATENCY_MS',
  }),
} as const satisfies Record<string, Setting>;
