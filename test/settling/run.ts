/**
 * Shows that nothing stays unknown between a gateway and its service: the
 * connection is cut at every byte of Generate and of Settle, another store stands
 * behind the address, and both processes are killed at every step.
 *
 *     npm run test:settling -- [--step BYTES] [--kills N]
 */
import { parseArgs } from 'node:util';
import { recordFigure } from '../support/figure.ts';
import { cutEverywhere, swapStores } from './cuts.ts';
import { killEverywhere } from './kills.ts';

const { values } = parseArgs({
  options: { step: { type: 'string', default: '1' }, kills: { type: 'string', default: '100' } },
});
const step = Number(values.step);
const kills = Number(values.kills);

const swapped = await swapStores();
const cut = await cutEverywhere(step);
const killed = await killEverywhere(kills);
const wrong = [...swapped, ...cut.wrong, ...killed.wrong];
for (const said of wrong.slice(0, 20)) process.stdout.write(`${said}\n`);
recordFigure({
  promise: 'P23',
  part: 'processes',
  says: 'Between gateway and service nothing stays unknown',
  goal: 'connection cut at every byte of Generate and of Settle, both processes killed at every step, another store behind the name: 0 unknown once both are back, 0 doubles',
  seen:
    `${cut.cuts} cuts: ${cut.reported.accepted} accepted as if nothing had happened, ` +
    `${cut.reported.not_started} not started, ${cut.reported.unknown} unknown; ` +
    `${killed.gatewayKills} kills of the gateway and ${killed.serviceKills} of the service over ${killed.wishes} keyed creates: ` +
    `${killed.unknownMeanwhile} times unknown meanwhile; in the end ${wrong.length} unknown, lost or doubled`,
  isMet: wrong.length === 0 && cut.reported.unknown === 0,
  by: `npm run test:settling -- --step ${step} --kills ${kills}`,
});
process.exit(wrong.length === 0 ? 0 : 1);
