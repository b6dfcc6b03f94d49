import { createImage } from './image-contracts.ts';
import { createOpenAiImage, getModel, listModels } from './openai-contracts.ts';
import {
  cancelOperation,
  getOperation,
  getOperationImage,
  streamOperation,
} from './operation-contracts.ts';
import { createToken } from './token-contracts.ts';
import { createVendorImage, getVendorOperation } from './vendor-contracts.ts';

/** Every route of the OpenAPI document, in the document's order. */
export const contracts = [
  createImage,
  getOperation,
  getOperationImage,
  streamOperation,
  cancelOperation,
  createToken,
  createOpenAiImage,
  listModels,
  getModel,
  createVendorImage,
  getVendorOperation,
] as const;
