import type { FastifyInstance } from 'fastify';
import type { LoadShedding } from '../../load/load-shedding.ts';

/** Refuses new work under pressure, before anything is read or asked: that is what makes a refusal cheap. */
export function shedNewWork(app: FastifyInstance, shedding: LoadShedding): void {
  app.addHook('onRequest', (request, _reply, done) => {
    try {
      if (request.routeOptions.config.contract?.spends === true) shedding.admit('create');
      done();
    } catch (error) {
      done(error as Error);
    }
  });
}
