import { create } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { QuotaFailureSchema, RetryInfoSchema } from '../gen/google/rpc/error_details_pb.ts';
import { rpcErrorDetail, RpcError } from '../rpc/rpc-error.ts';

/** A limit: at most so many calls in a window of time. */
export interface Quota {
  readonly name: string;
  readonly max: number;
  readonly windowMs: number;
}

/** A counter of calls in fixed windows, like the vendor's published limits. */
export class QuotaCounter {
  readonly #quota: Quota;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  constructor(quota: Quota) {
    this.#quota = quota;
  }

  /** Counts one call. @throws RpcError RESOURCE_EXHAUSTED, with the time until the next window. */
  take(nowMs: number): void {
    const { name, max, windowMs } = this.#quota;
    if (nowMs - this.#windowStartMs >= windowMs) {
      this.#windowStartMs = nowMs;
      this.#count = 0;
    }
    this.#count += 1;
    if (this.#count <= max) return;
    const waitMs = this.#windowStartMs + windowMs - nowMs;
    const retryDelay = create(DurationSchema, {
      seconds: BigInt(Math.floor(waitMs / 1000)),
      nanos: Math.floor(waitMs % 1000) * 1_000_000,
    });
    throw new RpcError(status.RESOURCE_EXHAUSTED, `Quota ${name} exceeded: ${max}`, [
      rpcErrorDetail(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })),
      rpcErrorDetail(
        QuotaFailureSchema,
        create(QuotaFailureSchema, {
          violations: [{ subject: name, description: `limit ${max}` }],
        }),
      ),
    ]);
  }
}
