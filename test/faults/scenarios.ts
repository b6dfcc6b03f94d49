import { blackHole } from './scenarios/black-hole.ts';
import { deadUpstream } from './scenarios/dead-upstream.ts';
import { goaway } from './scenarios/goaway.ts';
import { misbehavingAnswers } from './scenarios/misbehaving-answers.ts';
import { silenceAfterAccept } from './scenarios/silence-after-accept.ts';
import { tlsRefusals } from './scenarios/tls-refusals.ts';
import type { Scenario } from './stage.ts';

/** In the order they are played. */
export const scenarios: readonly Scenario[] = [
  misbehavingAnswers,
  goaway,
  silenceAfterAccept,
  deadUpstream,
  tlsRefusals,
  blackHole,
];
