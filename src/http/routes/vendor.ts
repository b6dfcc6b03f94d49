import type { FastifyInstance } from 'fastify';
import {
  cancelVendorOperation,
  createVendorImage,
  getVendorOperation,
} from '../../schemas/contracts/vendor-contracts.ts';
import { canonicalImageRequest } from '../../translation/canonical-request.ts';
import { imageGenerationRequestFromBody, refuseOtherMediaTypes } from '../../translation/images.ts';
import { createIdentityOf, createOperation, imageDefaultsOf } from '../create-operation.ts';
import { acceptFormAsJson } from '../json-body.ts';
import { snapshotAfterWait } from '../operation-wait.ts';
import { bodyOf, serve } from '../route.ts';
import type { RouteServices } from '../route-services.ts';
import { sendVendorOperation } from '../vendor-response.ts';

/** The vendor's own REST paths. A client of the vendor's REST needs only another host name. */
export async function vendorRoutes(app: FastifyInstance, services: RouteServices): Promise<void> {
  // The vendor's samples send JSON with curl -d, which declares it as form data.
  acceptFormAsJson(app);

  serve(app, createVendorImage, async (call) => {
    const { request } = call;
    const { body } = bodyOf(call);
    const mediaType = body.generationOptions?.mimeType;
    const { mediaTypes } = services.models();
    if (mediaType !== undefined) refuseOtherMediaTypes(mediaType, mediaTypes);
    // Without the catalog: a model that does not exist is refused in the upstream's own words.
    const defaults = { ...imageDefaultsOf(request, services), modelCatalog: undefined };
    const generateCall = imageGenerationRequestFromBody(body, defaults, {
      mediaType: mediaTypes[0] ?? '',
      drawnSeed: services.random.seed(),
    });
    const { operationId } = createVendorImage;
    const snapshot = await createOperation(call, services, {
      ...generateCall,
      form: 'vendor',
      ...createIdentityOf(request, { operationId, asked: canonicalImageRequest(body, defaults) }),
    });
    return sendVendorOperation(call, services, snapshot);
  });

  serve(app, getVendorOperation, async (call) =>
    sendVendorOperation(call, services, await snapshotAfterWait(call, services)),
  );

  serve(app, cancelVendorOperation, async (call) => {
    const { request, id, caller } = call;
    request.logContext.operationId = id;
    const snapshot = await services.operations.cancel(id, caller);
    return sendVendorOperation(call, services, snapshot);
  });
}
