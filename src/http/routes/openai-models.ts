import type { FastifyInstance, FastifyReply } from 'fastify';
import { getModel, listModels } from '../../schemas/contracts/openai-contracts.ts';
import { openAiModelJson } from '../../translation/openai-model.ts';
import { modelNamesOf, modelNotFound } from '../../translation/models.ts';
import { imageDefaultsOf } from '../create-operation.ts';
import { serve } from '../route.ts';
import type { RouteServices } from '../route-services.ts';

/** The models that a caller may name, in the form of OpenAI's API. */
export function openAiModelRoutes(app: FastifyInstance, services: RouteServices): void {
  serve(app, listModels, async ({ request, reply }) => {
    const defaults = imageDefaultsOf(request, services);
    const data = modelNamesOf(defaults).map((name) => openAiModelJson(name, defaults));
    return sendJson(reply, { object: 'list', data });
  });

  serve(app, getModel, async ({ request, reply, id }) => {
    const defaults = imageDefaultsOf(request, services);
    if (!modelNamesOf(defaults).includes(id)) throw modelNotFound(id, defaults);
    return sendJson(reply, openAiModelJson(id, defaults));
  });
}

function sendJson(reply: FastifyReply, body: unknown): FastifyReply {
  return reply
    .header('cache-control', 'private, max-age=60')
    .header('content-type', 'application/json; charset=utf-8')
    .send(JSON.stringify(body));
}
