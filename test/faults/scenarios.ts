import { blackHole } from './scenarios/black-hole.ts';
import { cutConnection } from './scenarios/cut-connection.ts';
import { deadUpstream } from './scenarios/dead-upstream.ts';
import { failingGenerate } from './scenarios/failing-generate.ts';
import { failingUpstream } from './scenarios/failing-upstream.ts';
import { goaway } from './scenarios/goaway.ts';
import { halvedQuota } from './scenarios/halved-quota.ts';
import { misbehavingResponses } from './scenarios/misbehaving-responses.ts';
import { movedName } from './scenarios/moved-name.ts';
import { revokedCredential } from './scenarios/revoked-credential.ts';
import { silenceAfterAccept } from './scenarios/silence-after-accept.ts';
import { tlsRefusals } from './scenarios/tls-refusals.ts';
import type { Scenario } from './harness.ts';

/** All scenarios, in the order of their runs. */
export const scenarios: readonly Scenario[] = [
  cutConnection,
  misbehavingResponses,
  goaway,
  silenceAfterAccept,
  deadUpstream,
  tlsRefusals,
  movedName,
  revokedCredential,
  halvedQuota,
  failingGenerate,
  failingUpstream,
  blackHole,
];
