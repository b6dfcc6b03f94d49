import type { FuzzTarget } from './fuzz-target.ts';
import { bodies } from './targets/bodies.ts';
import { cost } from './targets/cost.ts';
import { grammars } from './targets/grammars.ts';
import { headers } from './targets/headers.ts';
import { jsonTexts } from './targets/json-texts.ts';
import { operationBytes } from './targets/operation-bytes.ts';
import { paths } from './targets/paths.ts';
import { imageBytes } from './targets/image-bytes.ts';
import { sockets } from './targets/sockets.ts';
import { upstreamResponses } from './targets/upstream-responses.ts';

/** Every door; their shares add up to 1. */
export const fuzzTargets: readonly FuzzTarget[] = [
  grammars,
  jsonTexts,
  imageBytes,
  operationBytes,
  bodies,
  cost,
  headers,
  paths,
  upstreamResponses,
  sockets,
];
