import type { FastifyInstance } from 'fastify';
import type { LoadShedding } from '../../load/load-shedding.ts';

/** The hook that refuses creates under load, before a body is read or a credential checked: a refusal must be cheap. */
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
