import type { Identity } from '../callers/identity.ts';
import type { ClientAttempts } from '../operations/create/client-attempts.ts';
import type { Creates } from '../operations/create/creates.ts';
import type { LoadShedding } from '../load/load-shedding.ts';
import type { Operations } from '../operations/operations.ts';
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import type { ImageDefaults } from '../translation/images.ts';
import type { ModelCatalog } from '../translation/model-card.ts';
import type { OperationResponses } from './operation-response.ts';

/** The parts that routes call. */
export interface RouteServices {
  readonly operations: Operations;
  readonly creates: Creates;
  readonly clientAttempts: ClientAttempts;
  readonly responses: OperationResponses;
  readonly shedding: LoadShedding;
  /** Whether the credential that a request came with still stands. */
  readonly isLive: (identity: Identity) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly imageDefaults: Omit<ImageDefaults, 'modelCatalog' | 'modelCards'>;
  /** The models of the upstream, as far as they are known now. */
  readonly models: () => ModelCatalog;
}
