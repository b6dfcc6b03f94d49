import { integer, setting } from './setting-declaration.ts';

/** What the gateway takes from the network. */
export const edgeSettings = {
  CONNECTIONS_MAX: setting(integer({ min: 1, max: 1_000_000 }).default(16_384), {
    default: '16384',
    meaning:
      'Connections at once; those above it are closed as they come. Each takes a file descriptor.',
  }),
} as const;
