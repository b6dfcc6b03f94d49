import type { FastifyInstance } from 'fastify';
import { isFinished } from '../../operations/result/snapshot.ts';
import { cancelVendorOperation, createVendorImage } from '../../schemas/contracts/vendor-contracts.ts';
import { imageGenerationRequestFromBody } from '../../translation/images.ts';
import { applicationOf, createOperation } from '../create-operation.ts';
import { pictureForAnswer } from '../image-for-response.ts';
import { acceptFormAsJson } from '../json-body.ts';
import { bodyOf, serve } from '../route.ts';
import type { Surface } from '../route-services.ts';
import { refuseImpossible } from './images.ts';

/** The vendor's own REST paths: whoever has code for them changes the host and is done. */
export async function vendorRoutes(app: FastifyInstance, surface: Surface): Promise<void> {
  // The vendor's own samples send JSON by curl's -d, which names it a form.
  acceptFormAsJson(app);

  serve(app, createVendorImage, async (call) => {
    const { request, reply } = call;
    const { body } = bodyOf(call);
    const mediaType = body.generationOptions?.mimeType;
    if (mediaType !== undefined) refuseImpossible(mediaType, surface.imageMediaTypes);
    const generate = imageGenerationRequestFromBody(body, surface.imageDefaults, {
      mediaType: surface.imageMediaTypes[0] ?? '',
      drawnSeed: surface.random.seed(),
    });
    const { operationId } = createVendorImage;
    const snapshot = await createOperation(call, surface, {
      generate,
      isVendorForm: true,
      ...applicationOf(request, { operationId, body }),
    });
    const isReplayOfFinished = snapshot.state.status === 'succeeded';
    const picture = isReplayOfFinished
      ? (await pictureForAnswer(call, surface, { id: snapshot.id, form: 'base64' })).bytes
      : undefined;
    if (!isFinished(snapshot)) reply.header('retry-after', '1');
    return surface.replies.vendorForm(reply, snapshot, picture);
  });

  serve(app, cancelVendorOperation, async (call) => {
    const { request, reply, id, caller } = call;
    request.journal.operationId = id;
    const snapshot = await surface.operations.cancel(id, caller);
    const picture =
      snapshot.state.status === 'succeeded'
        ? (await pictureForAnswer(call, surface, { id, form: 'base64' })).bytes
        : undefined;
    return surface.replies.vendorForm(reply, snapshot, picture);
  });
}
