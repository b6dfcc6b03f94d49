import { misbehavingAnswers } from './scenarios/misbehaving-answers.ts';
import type { Scenario } from './stage.ts';

/** In the order they are played. */
export const scenarios: readonly Scenario[] = [misbehavingAnswers];
