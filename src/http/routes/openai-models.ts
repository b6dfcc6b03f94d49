import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';
import { getModel, listModels } from '../../schemas/contracts/openai-contracts.ts';
import { serve } from '../route.ts';
import type { RouteServices } from '../route-services.ts';

/** The models that a caller may name, in the form of OpenAI's API. */
export function openAiModelRoutes(app: FastifyInstance, services: RouteServices): void {
  serve(app, listModels, async ({ request, reply }) =>
    sendJson(reply, { object: 'list', data: modelsOf(request, services).map(modelJson) }),
  );

  serve(app, getModel, async ({ request, reply, id }) => {
    if (!modelsOf(request, services).includes(id)) {
      throw new GatewayError('not_found', `there is no model ${id.slice(0, 64)} that you may use`);
    }
    return sendJson(reply, modelJson(id));
  });
}

/** Names that this caller may send as `model`. */
function modelsOf(
  { identity }: FastifyRequest,
  { imageDefaults }: RouteServices,
): readonly string[] {
  const { defaultModel, modelAliases } = imageDefaults;
  const known = [defaultModel.replace(/\/latest$/, ''), ...modelAliases.keys()];
  return [...new Set(identity.caller.models ?? known)];
}

function modelJson(id: string) {
  return { id, object: 'model', created: 0, owned_by: 'upstream' };
}

function sendJson(reply: FastifyReply, body: unknown): FastifyReply {
  return reply
    .header('cache-control', 'private, max-age=60')
    .header('content-type', 'application/json; charset=utf-8')
    .send(JSON.stringify(body));
}
