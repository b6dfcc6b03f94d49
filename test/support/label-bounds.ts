import { grpcCodeName } from '../../src/errors/grpc-code.ts';
import { reasons } from '../../src/errors/reason.ts';
import {
  attemptOutcomes,
  lossCauses,
  recoveredHows,
} from '../../src/observability/service-metrics.ts';
import { version } from '../../src/schemas/product-version.ts';

const codes = Array.from({ length: 17 }, (_, code) => String(grpcCodeName(code)));

/** Every value that a label of a metric may take; but of `route`, which takes the patterns that are registered. */
export const labelBounds: Readonly<Record<string, ReadonlySet<string>>> = {
  method: new Set(
    'GET HEAD POST OPTIONS PUT PATCH DELETE other Generate Get Cancel Probe Describe Settle'.split(
      ' ',
    ),
  ),
  status: new Set('200 202 400 401 404 405 409 415 422 429 500 502 503 504 hung_up'.split(' ')),
  caller_class: new Set('anonymous key jwt token link passthrough public refused'.split(' ')),
  code: new Set([...codes, 'other']),
  outcome: new Set<string>([
    ...'accepted replayed joined not_started unknown succeeded failed canceled expired'.split(' '),
    ...attemptOutcomes,
  ]),
  backend: new Set('local openai'.split(' ')),
  cause: new Set<string>(lossCauses),
  how: new Set<string>(recoveredHows),
  reason: new Set<string>([
    ...[...reasons, '', 'malformed', 'cut', 'too_large', 'too_slow'],
    ...['limit', 'peer', 'idle', 'descriptors', 'accept'],
  ]),
  call: new Set('swapRecord takeClaims returnClaims announce endAnnouncement'.split(' ')),
  limit: new Set('minute day concurrent token gateway gateway-day'.split(' ')),
  kind: new Set('create wait base64 bytes'.split(' ')),
  state: new Set('starting ready overloaded draining queued running done'.split(' ')),
  stat: new Set('p50 p99 max'.split(' ')),
  version: new Set([version]),
  node: new Set([process.version]),
  le: new Set(
    '0.0001 0.0005 0.001 0.002 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2 2.5 3 4 5 7 10 15 20 25 30 40 45 50 60 65 100 120 300 600 900 3600 14400 0 +Inf'.split(
      ' ',
    ),
  ),
};
