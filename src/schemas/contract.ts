import { createImage } from './image-contracts.ts';
import {
  cancelOperation,
  getOperation,
  getOperationImage,
  streamOperation,
} from './operation-contracts.ts';
import { createToken } from './token-contracts.ts';
import { createVendorImage } from './vendor-contracts.ts';

/** Every route of the OpenAPI document, in the document's order. */
export const contracts = [
  createImage,
  getOperation,
  getOperationImage,
  streamOperation,
  cancelOperation,
  createToken,
  createVendorImage,
] as const;
