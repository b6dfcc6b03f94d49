/** What one folder of src/ may use. docs/architecture.md shows the same table to readers. */
export interface Layer {
  /** Other folders of src/, types included. */
  readonly imports: readonly string[];
  /** Packages from npm, types included; built-in modules are named by `pure`. */
  readonly packages: readonly string[];
  /** No clock, randomness, I/O, `async` or built-in module. */
  readonly pure: boolean;
}

/** The rows are in order: a folder imports only from rows above its own, so there is no cycle. */
export const layers: Readonly<Record<string, Layer>> = {
  text: { imports: [], packages: [], pure: true },
  errors: { imports: [], packages: [], pure: true },
  clock: { imports: [], packages: [], pure: false },
  load: { imports: ['errors'], packages: [], pure: false },
  gen: { imports: [], packages: ['@bufbuild/protobuf'], pure: false },
  schemas: { imports: ['errors', 'text'], packages: ['zod', 'zod-openapi'], pure: true },
  config: { imports: ['text'], packages: ['zod'], pure: true },
  files: { imports: [], packages: [], pure: false },
  state: { imports: ['errors', 'clock', 'files'], packages: ['ioredis', 'lmdb'], pure: false },
  sealing: { imports: [], packages: [], pure: false },
  callers: {
    imports: ['errors', 'files', 'schemas', 'sealing', 'text'],
    packages: ['jose', 'zod'],
    pure: false,
  },
  observability: {
    imports: ['errors', 'text'],
    packages: ['@opentelemetry/api', 'pino', 'prom-client'],
    pure: false,
  },
  image: { imports: ['text'], packages: [], pure: true },
  grpc: { imports: ['gen'], packages: ['@bufbuild/protobuf', '@grpc/grpc-js'], pure: true },
  translation: {
    imports: ['errors', 'gen', 'grpc', 'image', 'schemas', 'text'],
    packages: ['@bufbuild/protobuf'],
    pure: true,
  },
  upstream: {
    imports: ['errors', 'files', 'gen', 'grpc', 'text'],
    packages: ['@bufbuild/protobuf', '@grpc/grpc-js'],
    pure: false,
  },
  rpc: {
    imports: ['gen', 'grpc'],
    packages: ['@bufbuild/protobuf', '@grpc/grpc-js'],
    pure: false,
  },
  renderers: {
    imports: ['errors', 'image', 'text'],
    packages: ['dejavu-fonts-ttf', 'sharp', 'undici', 'zod'],
    pure: false,
  },
  service: {
    imports: ['gen', 'clock', 'files', 'grpc', 'rpc', 'renderers'],
    packages: ['@bufbuild/protobuf', '@grpc/grpc-js', 'lmdb'],
    pure: false,
  },
  emulator: {
    imports: ['files', 'gen', 'grpc', 'rpc', 'renderers', 'text'],
    packages: ['@bufbuild/protobuf', '@grpc/grpc-js'],
    pure: false,
  },
  operations: {
    imports: ['errors', 'gen', 'clock', 'image', 'sealing', 'state', 'translation', 'upstream'],
    packages: ['@bufbuild/protobuf'],
    pure: false,
  },
  lifecycle: {
    imports: ['clock', 'observability', 'operations'],
    packages: ['fastify'],
    pure: false,
  },
  http: {
    imports: [
      'errors',
      'text',
      'callers',
      'clock',
      'load',
      'observability',
      'operations',
      'schemas',
      'translation',
    ],
    packages: ['@fastify/cors', '@fastify/swagger', '@fastify/swagger-ui', 'fastify', 'zod'],
    pure: false,
  },
};

/** The files beside the folders. They join the parts, so they are not part of the order. */
export const roots: Readonly<Record<string, readonly string[]>> = {
  'app.ts': [
    ...['app-callers.ts', 'app-catalog.ts', 'app-core.ts', 'app-metrics.ts', 'app-passthrough.ts'],
    ...['app-server.ts', 'app-store.ts', 'app-upstream.ts'],
    ...['clock', 'config', 'http', 'lifecycle', 'load', 'observability'],
    ...['schemas', 'state', 'upstream'],
  ],
  'app-callers.ts': ['callers', 'clock', 'config', 'observability', 'sealing'],
  'app-catalog.ts': [
    ...['clock', 'config', 'errors', 'observability', 'operations', 'translation', 'upstream'],
  ],
  'app-core.ts': [
    ...['clock', 'config', 'observability', 'operations'],
    ...['sealing', 'state', 'upstream'],
  ],
  'app-metrics.ts': [
    ...['clock', 'config', 'http', 'load', 'observability'],
    ...['operations', 'schemas', 'text'],
  ],
  'app-passthrough.ts': ['callers', 'clock', 'errors', 'upstream'],
  'app-server.ts': [
    'app-callers.ts',
    'callers',
    'clock',
    'config',
    'http',
    'load',
    'operations',
    'text',
    'translation',
  ],
  'app-store.ts': ['app-metrics.ts', 'config', 'files', 'observability', 'sealing', 'state'],
  'app-upstream.ts': [
    ...['service-thread.ts', 'config', 'files', 'observability', 'translation', 'upstream'],
  ],
  'app-backend.ts': [...['config', 'files', 'renderers', 'upstream']],
  'app-renderer.ts': [...['app-backend.ts', 'clock', 'config', 'renderers']],
  'app-service.ts': [
    ...['app-renderer.ts', 'clock', 'config', 'files', 'observability', 'renderers', 'service'],
  ],
  'service-thread.ts': ['app-renderer.ts', 'config'],
  'service-thread-main.ts': ['app-renderer.ts', 'app-service.ts', 'service-thread.ts', 'config'],
  'service-health.ts': ['config', 'gen', 'grpc', 'observability', 'text'],
  'service-main.ts': [
    ...['app-service.ts', 'service-command.ts'],
    ...['config', 'lifecycle', 'observability', 'text'],
  ],
  'service-command.ts': ['config', 'service'],
  'main.ts': [
    ...['app.ts', 'settings-check.ts', 'start-failure.ts'],
    ...['config', 'lifecycle', 'observability'],
  ],
  'settings-check.ts': [
    ...['app-backend.ts', 'app-store.ts', 'app-upstream.ts'],
    ...['callers', 'config', 'files', 'state', 'upstream'],
  ],
  'start-failure.ts': ['config', 'text'],
  'keys.ts': ['callers'],
};

/** Entries of processes and threads: nothing imports them. */
export const entries: readonly string[] = [
  ...['src/main.ts', 'src/keys.ts', 'src/emulator/main.ts'],
  ...['src/service-main.ts', 'src/service-thread-main.ts', 'src/service-health.ts'],
];

/** The only file that gives src/operations, src/lifecycle and src/load the machine's clock and randomness. */
export const systemClock = 'src/clock/system-clock.ts';

/** Names that say nothing of what a file holds. */
export const emptyNames: readonly string[] = [
  ...['utils', 'helpers', 'common', 'misc', 'types'],
  ...['manager', 'handler', 'processor', 'info', 'index'],
];
