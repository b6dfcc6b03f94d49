import type { OperationJson } from '../operations.ts';

const self = 'https://gateway.example/operations/op_AZk3v0';

const shared = {
  id: 'op_AZk3v0',
  description: '',
  createdAt: '2026-11-23T10:00:00Z',
  createdBy: '',
  metadata: null,
  urls: { self, image: `${self}/image`, events: `${self}/events`, cancel: `${self}/cancel` },
};

/** An operation in each of its states. */
export const exampleOperations = {
  running: { ...shared, status: 'running', done: false, modifiedAt: '2026-11-23T10:00:00Z' },
  succeeded: {
    ...shared,
    status: 'succeeded',
    done: true,
    modifiedAt: '2026-11-23T10:00:14Z',
    response: {
      modelVersion: '',
      mimeType: 'image/jpeg',
      seed: '1863',
      seedApplied: true,
      ignored: [],
      width: 1344,
      height: 768,
      byteLength: 889288,
      url: `${self}/image`,
    },
  },
  failed: {
    ...shared,
    status: 'failed',
    done: true,
    modifiedAt: '2026-11-23T10:00:03Z',
    error: {
      code: 3,
      message:
        'it is not possible to generate an image from this request because it may violate the terms of use',
      details: [],
      reason: 'content_policy_violation',
      retryable: false,
    },
  },
  canceled: {
    ...shared,
    status: 'canceled',
    done: true,
    modifiedAt: '2026-11-23T10:00:02Z',
    error: {
      code: 1,
      message: 'operation was cancelled',
      details: [],
      reason: 'operation_canceled',
      retryable: false,
    },
  },
} as const satisfies Record<string, OperationJson>;

/** The end of an operation in its event stream. */
export const exampleEvents = `retry: 2000\n\nid: 2\nevent: succeeded\ndata: ${JSON.stringify(exampleOperations.succeeded)}\n\n`;
